/** Reports how many servers the quotas of the project allow, the provider's included, whenever that changes. */
import { OperationError } from '../../errors.ts';
import { after, type Cancel } from '../../timer.ts';
import type { Headroom } from './headroom.ts';

/** Other users of the project change its usage too. */
const INTERVAL_MS = 60_000;

export interface QuotaWatchOptions {
  /** The number of the provider's servers, and how many more fit. */
  readonly read: () => Promise<{ readonly own: number; readonly headroom: Headroom }>;
  /** Called after each read; null: nothing has changed, or the read failed. Returns false to stop the reports. */
  readonly changed: (servers: number | null, why: string) => boolean;
}

export class QuotaWatch {
  readonly #options: QuotaWatchOptions;
  #cancel: Cancel = () => {};
  #last = '';
  #ended = false;

  constructor(options: QuotaWatchOptions) {
    this.#options = options;
  }

  /** Reads now, and every minute from now on. If a read fails, the last report stays valid. */
  async check(): Promise<void> {
    this.#cancel();
    if (this.#ended) return;
    let [changed, why]: [number | null, string] = [null, ''];
    try {
      const { own, headroom } = await this.#options.read();
      const servers = own + headroom.servers;
      const report = `${servers} ${headroom.limitedBy}`;
      if (report !== this.#last) [changed, why] = [servers, headroom.limitedBy];
      this.#last = report;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
    this.#ended ||= !this.#options.changed(changed, why);
    this.#cancel();
    if (!this.#ended) this.#cancel = after(INTERVAL_MS, () => void this.check(), { unref: true });
  }
}
