/**
 * How many of the hosts can be had: those that are not put aside. Tells whenever that changes, be it by a failure, because
 * the time is over, or because an operator took a host back by removing its file.
 */
import { type FSWatcher, watch } from 'node:fs';
import { Semaphore } from '../../semaphore.ts';
import { after, type Cancel } from '../../timer.ts';
import type { HostHealth } from './host-health.ts';

export interface CapacityOptions {
  readonly hosts: readonly string[];
  readonly health: Pick<HostHealth, 'directory' | 'read'>;
  /** Epoch ms. */
  readonly now: () => number;
  readonly changed: (hosts: number) => void;
}

export class Capacity {
  readonly #options: CapacityOptions;
  #usable: number;
  #cancel: Cancel = () => {};
  /** While a host is put aside. */
  #watcher: FSWatcher | null = null;
  readonly #mutex = new Semaphore(1);

  constructor(options: CapacityOptions) {
    this.#options = options;
    this.#usable = options.hosts.length;
    this.look();
  }

  /** A host may have been put aside, or have come back. */
  look(): void {
    void this.#mutex.run(() => this.#look());
  }

  async #look(): Promise<void> {
    const { hosts, health, now, changed } = this.#options;
    const until = await Promise.all(
      hosts.map(async (host) => {
        // What cannot be read is found by whoever wants that host.
        const standing = await health.read(host).catch(() => null);
        return standing?.quarantinedUntil ?? 0;
      }),
    );
    const aside = until.filter((time) => time > now());
    this.#cancel();
    if (aside.length > 0) this.#wakeAt(Math.min(...aside));
    else this.#unwatch();
    const usable = hosts.length - aside.length;
    if (usable === this.#usable) return;
    this.#usable = usable;
    changed(usable);
  }

  #wakeAt(time: number): void {
    const { now, health } = this.#options;
    this.#cancel = after(time - now() + 1, () => this.look(), { unref: true });
    if (this.#watcher !== null) return;
    // Without it (a host has only so many watches) the time still runs.
    try {
      this.#watcher = watch(health.directory, { persistent: false }, () => this.look());
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
