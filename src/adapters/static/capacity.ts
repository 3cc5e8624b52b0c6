/**
 * The number of usable hosts: those that are not in quarantine, and not kept by a job that has ended because they could
 * not be returned. Reports every change: after a failure, when a quarantine expires, when an operator ends a quarantine
 * by removing the host's file, or when a host is returned after all.
 */
import { type FSWatcher, watch } from 'node:fs';
import { Semaphore } from '../../semaphore.ts';
import { after, type Cancel } from '../../timer.ts';
import type { HostHealth } from './host-health.ts';
import type { Lease } from './lease.ts';

export interface CapacityOptions {
  readonly hosts: readonly string[];
  readonly health: Pick<HostHealth, 'directory' | 'read'>;
  /** Leases whose host could not be returned. */
  readonly unreturned: () => Promise<readonly Lease[]>;
  /** Whether a job still has its slot, which stands for its host. */
  readonly holdsSlot: (job: string) => boolean;
  /** Epoch ms. */
  readonly now: () => number;
  readonly changed: (hosts: number) => void;
}

/** The interval between checks while hosts are not returned: their jobs end without a notice. */
const RECHECK_MS = 60_000;

export class Capacity {
  readonly #options: CapacityOptions;
  #usable: number;
  #cancel: Cancel = () => {};
  /** Set while a host is in quarantine or not returned. */
  #watcher: FSWatcher | null = null;
  readonly #mutex = new Semaphore(1);

  constructor(options: CapacityOptions) {
    this.#options = options;
    this.#usable = options.hosts.length;
    this.check();
  }

  /** Recounts the hosts after a possible change. */
  check(): void {
    void this.#mutex.run(() => this.#check());
  }

  async #check(): Promise<void> {
    const { hosts, health, unreturned, holdsSlot, now, changed } = this.#options;
    const until = await Promise.all(
      hosts.map(async (host) => {
        // A read error is reported when that host is leased.
        const state = await health.read(host).catch(() => null);
        return state?.quarantinedUntil ?? 0;
      }),
    );
    // An unreadable lease is reported when leases are listed.
    const kept = await unreturned().catch(() => []);
    // A host that could not be prepared is in addition to the one that its job gets.
    const lost = kept.filter(({ ready, owner }) => !ready || !holdsSlot(owner.job)).map(({ host }) => host);
    const time = now();
    const usable = hosts.filter((host, index) => (until[index] ?? 0) <= time && !lost.includes(host)).length;
    const checks = [...until.filter((end) => end > time), ...(kept.length > 0 ? [time + RECHECK_MS] : [])];
    this.#cancel();
    if (checks.length > 0) this.#wakeAt(Math.min(...checks));
    else this.#unwatch();
    if (usable === this.#usable) return;
    this.#usable = usable;
    changed(usable);
  }

  #wakeAt(time: number): void {
    const { now, health } = this.#options;
    this.#cancel = after(time - now() + 1, () => this.check(), { unref: true });
    if (this.#watcher !== null) return;
    // Without a watch (inotify watches are limited) the timer still works.
    try {
      this.#watcher = watch(health.directory, { persistent: false }, () => this.check());
      this.#watcher.on('error', () => this.#unwatch());
    } catch {
      this.#watcher = null;
    }
  }

  #unwatch(): void {
    this.#watcher?.close();
    this.#watcher = null;
  }
}
