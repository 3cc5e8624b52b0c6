/**
 * Looks around now and then, for as long as a daemon runs, and tells the history `vigil` what is not as it was. The machine
 * decides what of that an operator must hear of; a look that shows nothing new leaves no row. After a restart it looks at
 * once: what is wrong then is told, however long the daemon was away.
 */
import type { Log } from '../../log.ts';
import type { Sight, VigilLimits } from '../../machines/model/health-snapshot.ts';
import type { VigilEvent } from '../../machines/protocol/events.ts';
import { VIGIL, type VigilContext } from '../../machines/system/health.ts';
import { noticedIn } from '../../machines/system/health-checks.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';
import type { Clock, Lookout } from '../ports/adapters.ts';
import type { Store } from '../ports/store.ts';

export interface VigilOptions {
  readonly engine: Pick<Engine, 'submit' | 'histories' | 'ending'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly lookout: Lookout;
  readonly limits: VigilLimits;
  readonly intervalMs: number;
  /** False: this daemon posts nothing, so nothing is missing. */
  readonly reports: boolean;
  /** Reports of other CIs that came in so far, on what our rules cover. */
  readonly others: () => number;
}

/** How long it is remembered what was heard, in the times that nothing may be reported. */
const HEARD_KEPT = 4;

export class Vigil {
  private readonly options: VigilOptions;
  private stopped = false;
  private looking: Promise<void> = Promise.resolve();
  private cancelLook: () => void = () => {};
  /** The look before: wall clock, monotonic, and the reports of others until then. */
  private before: { readonly at: number; readonly mark: number; readonly others: number } | null = null;

  constructor(options: VigilOptions) {
    this.options = options;
  }

  /** Begins the history, or tells it that the limits are others now; then looks, at once and again and again. */
  async start(): Promise<void> {
    const { store, limits } = this.options;
    const known = store.stored(VIGIL);
    if (known === null || !sameLimits(contextOf(known).limits, limits))
      await this.tell({ type: 'vigil.opened', limits });
    this.lookSoon(0);
  }

  /** Idempotent. Nothing is looked at after it resolves. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelLook();
    await this.looking;
  }

  private lookSoon(delayMs: number): void {
    if (this.stopped) return;
    this.cancelLook = this.options.clock.after(delayMs, () => {
      this.looking = this.look().then(() => this.lookSoon(this.options.intervalMs));
    });
  }

  private async look(): Promise<void> {
    const { lookout, store, limits, log } = this.options;
    const around = await lookout.look();
    if (this.stopped) return;
    const sight: Sight = { ...around, reports: this.hear() };
    const known = store.stored(VIGIL);
    if (known === null) return;
    const { begun, over } = noticedIn(sight, limits, contextOf(known).troubles);
    log.debug({ ...sight }, 'looked around');
    if (begun.length + over.length > 0) await this.tell({ type: 'vigil.noticed', sight });
  }

  /** Writes down what was heard since the look before, and adds up what was since our newest report. */
  private hear(): Sight['reports'] {
    const { clock, store, limits, reports } = this.options;
    const now = { at: clock.now(), mark: clock.monotonic(), others: this.options.others() };
    const { before } = this;
    // What came in before the first look counts for the time after it.
    this.before = before === null ? { ...now, others: 0 } : now;
    if (!reports) return null;
    if (before !== null) {
      const listenedMs = Math.round(Math.min(now.mark - before.mark, this.upMs(now.at)));
      const others = listenedMs === 0 ? 0 : now.others - before.others;
      if (listenedMs > 0)
        store.noteHeard({ begunAt: before.at, listenedMs, others }, now.at - HEARD_KEPT * limits.quietMs);
    }
    return store.heard();
  }

  /** For how long the connection to the stream has stood; 0 while there is none. */
  private upMs(now: number): number {
    const stream = this.options.engine.histories.get('stream');
    const upSince = stream === undefined ? null : versionOf(stream).connectedSince(stream);
    return upSince === null ? 0 : Math.max(0, now - upSince);
  }

  /** Rejects only when the daemon crashes; what a stop cuts off the next look finds. */
  private async tell(event: VigilEvent): Promise<void> {
    const { engine } = this.options;
    try {
      await engine.submit([{ history: VIGIL, startsOn: newest.vigil, event, settles: null, cause: null }]);
    } catch (thrown) {
      if (!engine.ending) throw thrown;
    }
  }
}

function contextOf({ context }: { readonly context: unknown }): VigilContext {
  return context as VigilContext;
}

function sameLimits(one: VigilLimits, other: VigilLimits): boolean {
  return (Object.keys(other) as (keyof VigilLimits)[]).every((key) => one[key] === other[key]);
}
