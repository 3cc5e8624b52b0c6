/** A host whose disks are as full as a test configures. */
import type { HostMetrics, HostSnapshot } from '../../src/engine/ports/adapters.ts';

export class FakeHostMetrics implements HostMetrics {
  snapshot: HostSnapshot = {
    disks: [{ path: '/state', holds: 'stateDir', freeBytes: 10_000, freeFiles: 10_000 }],
    walBytes: 0,
    archiveProblem: null,
  };
  /** Number of reads so far. */
  reads = 0;

  async read(): Promise<HostSnapshot> {
    this.reads += 1;
    return this.snapshot;
  }

  /** The free space on the one disk; null: unknown. */
  setFreeBytes(freeBytes: number | null): void {
    this.snapshot = {
      ...this.snapshot,
      disks: this.snapshot.disks.map((disk) => ({ ...disk, freeBytes })),
    };
  }
}
