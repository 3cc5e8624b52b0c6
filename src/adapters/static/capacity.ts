/**
 * The number of usable hosts: those that are not in quarantine. Reports every change: after a failure, when a
 * quarantine expires, or when an operator ends a quarantine by removing the host's file.
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
  /** Set while a host is in quarantine. */
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
    const { hosts, health, now, changed } = this.#options;
    const until = await Promise.all(
      hosts.map(async (host) => {
        // A read error is reported when that host is leased.
        const state = await health.read(host).catch(() => null);
        return state?.quarantinedUntil ?? 0;
      }),
    );
    const quarantined = until.filter((time) => time > now());
    this.#cancel();
    if (quarantined.length > 0) this.#wakeAt(Math.min(...quarantined));
    else this.#unwatch();
    const usable = hosts.length - quarantined.length;
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
