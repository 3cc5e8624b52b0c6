/** Reports how many servers the quotas of the project allow, ours included, whenever that changes. */
import { OperationError } from '../../errors.ts';
import { after, type Cancel } from '../../timer.ts';
import type { Room } from './room.ts';

/** Others use the project too. */
const INTERVAL_MS = 60_000;

export interface QuotaWatchOptions {
  /** Our own servers, and the room for more. */
  readonly read: () => Promise<{ readonly own: number; readonly room: Room }>;
  /** Returns false when no more reports are wanted. */
  readonly changed: (servers: number, why: string) => boolean;
}

export class QuotaWatch {
  readonly #options: QuotaWatchOptions;
  #cancel: Cancel = () => {};
  #last = '';
  #ended = false;

  constructor(options: QuotaWatchOptions) {
    this.#options = options;
  }

  /** Reads now, and every minute from now on. Without an answer the last report stays. */
  async check(): Promise<void> {
    this.#cancel();
    if (this.#ended) return;
    try {
      const { own, room } = await this.#options.read();
      const report = `${own + room.servers} ${room.limitedBy}`;
      if (report !== this.#last) this.#ended = !this.#options.changed(own + room.servers, room.limitedBy);
      this.#last = report;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
    this.#cancel();
    if (!this.#ended) this.#cancel = after(INTERVAL_MS, () => void this.check(), { unref: true });
  }
}
