/**
 * Removes what cleanup could not reach: resources that carry our deployment's id although their job has ended, evidence
 * on this host of such a job, and merged commits of ended reviews. Leaks are removed only when two searches in a row
 * found them, and only if the store proves that the job is ours and has ended. Those of unknown jobs are kept; an alarm
 * reports such a server. Operators list leaks, and may have them removed at once.
 */
import { errorText, OperationError, throwIfAborted } from '../../errors.ts';
import { Semaphore } from '../../semaphore.ts';
import { sleep } from '../../timer.ts';
import type { Evidence, Merger } from '../ports/adapters.ts';
import type { LeakReport, LeakState, LeakView, Operator } from '../ports/operator-api.ts';
import type { LogEntry, Store } from '../ports/store.ts';
import {
  callWithin,
  type FoundLeak,
  type FoundLeaks,
  findLeaks,
  type LeakSearchOptions,
} from './find-leaks.ts';
import { LeakRemover, type LeakRemoverOptions, type RemovalCause } from './remove-leaks.ts';

export interface SweepOptions extends LeakSearchOptions, LeakRemoverOptions {
  readonly merger: Pick<Merger, 'reviews' | 'drop'>;
  readonly evidence: Pick<Evidence, 'held'>;
  readonly store: Store;
}

/** What a search found, and what the search before it had found. */
interface Search extends FoundLeaks {
  readonly before: ReadonlyMap<string, number>;
}

/** An operator's two searches are this far apart, so that what a service just created or deleted has settled. */
export const GC_INTERVAL_MS = 5_000;
/** Bounds the answer to an operator. */
const MAX_LEAKS_REPORTED = 5_000;

const SWEEP: RemovalCause = { by: null, why: 'two sweeps found it' };

export class Sweep {
  private readonly options: SweepOptions;
  private readonly remover: LeakRemover;
  /** When each resource of the last search was first seen, by its key. */
  private sightings: ReadonlyMap<string, number> = new Map();
  private running: Promise<number> | null = null;
  private readonly turn = new Semaphore(1);
  private readonly stopping = new AbortController();

  constructor(options: SweepOptions) {
    this.options = options;
    this.remover = new LeakRemover(options);
  }

  /**
   * Runs one round over all providers, this host and the merged commits. Returns how many servers were removed, with
   * all that belonged to them. Rounds never overlap; an outage never rejects.
   */
  run(): Promise<number> {
    this.running ??= this.exclusively(() => this.round()).finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** What leaks now. Changes nothing, and does not count as a search. */
  async leaks(): Promise<LeakReport> {
    const found = await findLeaks(this.options, this.stopping.signal);
    return this.report({ ...found, before: this.sightings });
  }

  /**
   * Removes what leaks, as the operator's work. What the sweep has not seen before is removed when a second search
   * finds it too.
   */
  collectGarbage({ who, why }: Operator): Promise<LeakReport> {
    const { signal } = this.stopping;
    return this.exclusively(async () => {
      let search = await this.search();
      if (search.leaks.some((found) => found.removable && !isAgreed(found, search))) {
        await sleep(GC_INTERVAL_MS, signal, this.options.clock);
        throwIfAborted(signal, 'remove leaks', 'all providers');
        search = await this.search();
      }
      const agreed = search.leaks.filter((found) => isAgreed(found, search));
      const removed = await this.remove(agreed, { by: who, why });
      return this.report(search, removed);
    });
  }

  /** Ends the current work and begins no other. Resolves when no work of it remains. */
  async stop(): Promise<void> {
    this.stopping.abort();
    const release = await this.turn.acquire();
    release();
  }

  /** Call it with each durable batch. */
  appended(batch: readonly LogEntry[]): void {
    this.remover.appended(batch);
  }

  private exclusively<T>(work: () => Promise<T>): Promise<T> {
    return this.turn.run(work, this.stopping.signal);
  }

  private async round(): Promise<number> {
    const search = await this.search();
    for (const found of search.leaks) await this.reportUnknown(found);
    const due = search.leaks.filter((found) => isAgreed(found, search) && this.remover.isDue(found));
    const removed = await this.remove(due, SWEEP);
    await this.sweepMerges();
    return [...removed].filter(({ server }) => server !== null).length;
  }

  private async search(): Promise<Search> {
    const before = this.sightings;
    const found = await findLeaks(this.options, this.stopping.signal);
    for (const { part, why, hint } of found.unlisted) this.options.log.warn({ part, hint }, `sweep: ${why}`);
    const now = this.options.clock.now();
    const keys = found.leaks.flatMap(keysOf);
    // A resource that an outage hid must be found twice again.
    this.sightings = new Map(keys.map((key) => [key, before.get(key) ?? now]));
    this.remover.keepFailuresOf(found.leaks);
    return { ...found, before };
  }

  private async remove(leaks: readonly FoundLeak[], cause: RemovalCause): Promise<ReadonlySet<FoundLeak>> {
    const removed = await this.remover.removeAll(leaks, cause, this.stopping.signal);
    const gone = new Set([...removed].flatMap(keysOf));
    this.sightings = new Map([...this.sightings].filter(([key]) => !gone.has(key)));
    return removed;
  }

  private report(search: Search, removed: ReadonlySet<FoundLeak> = new Set()): LeakReport {
    const now = this.options.clock.now();
    const all = search.leaks.flatMap((found) => {
      const why = this.remover.failureOf(found);
      const stateOf = (): LeakState => {
        if (removed.has(found)) return 'removed';
        if (!found.removable) return 'unknown-job';
        if (why !== null) return 'remove-failed';
        return isAgreed(found, search) ? 'agreed' : 'first-seen';
      };
      const seenAt = (key: string) => search.before.get(key) ?? this.sightings.get(key) ?? now;
      return viewsOf(found, stateOf(), why ?? '', seenAt, this.options.store);
    });
    return boundedReport(all, search.unlisted);
  }

  /** Removes commits of ended reviews. They are in our own cache, so commits of unknown reviews are removed too. */
  private async sweepMerges(): Promise<void> {
    const { merger, store, log, hide } = this.options;
    const { signal } = this.stopping;
    try {
      const list = () => merger.reviews();
      for (const review of await callWithin(this.options, list, 'list merged commits', 'git cache', signal)) {
        if (store.review(review)?.ended === false) continue;
        await callWithin(this.options, () => merger.drop(review), 'drop merged commits', review, signal);
      }
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      if (!signal.aborted)
        log.warn({ part: 'merged commits', hint: thrown.hint }, `sweep: ${hide(errorText(thrown))}`);
    }
  }

  private async reportUnknown({ job, removable, server }: FoundLeak): Promise<void> {
    if (removable || server === null) return;
    await this.options.alarms.raise({
      kind: 'server-leaked',
      target: server.name,
      message: `it carries our deployment's id, but job ${job} is not in this database`,
      hint: 'check whether the database was replaced; remove the server by hand if it is not needed',
    });
  }
}

/** What a search without a daemon found: nothing was seen before, and nothing was removed. */
export function firstReport(
  { leaks, unlisted }: FoundLeaks,
  store: Pick<Store, 'job'>,
  now: number,
): LeakReport {
  const stateOf = ({ removable }: FoundLeak) => (removable ? 'first-seen' : 'unknown-job');
  return boundedReport(
    leaks.flatMap((found) => viewsOf(found, stateOf(found), '', () => now, store)),
    unlisted,
  );
}

function boundedReport(all: readonly LeakView[], unlisted: LeakReport['unlisted']): LeakReport {
  const sorted = [...all].sort((one, other) => one.firstSeenAt - other.firstSeenAt);
  const leaks = sorted.slice(0, MAX_LEAKS_REPORTED);
  return { leaks, omitted: all.length - leaks.length, unlisted };
}

function viewsOf(
  found: FoundLeak,
  state: LeakState,
  why: string,
  seenAt: (key: string) => number,
  store: Pick<Store, 'job'>,
): readonly LeakView[] {
  const { job, server, resources } = found;
  const provider = server?.provider ?? null;
  const jobEndedAt = store.job(job)?.endedAt ?? null;
  return resources.map((resource) => ({
    provider,
    ...resource,
    name: server?.name ?? null,
    job,
    jobEndedAt,
    firstSeenAt: seenAt(keyOf(provider, resource)),
    state,
    why,
  }));
}

/** True when the search before found all of it too, and it may be removed. */
function isAgreed(found: FoundLeak, { before }: Search): boolean {
  return found.removable && keysOf(found).every((key) => before.has(key));
}

function keysOf({ server, resources }: FoundLeak): readonly string[] {
  return resources.map((resource) => keyOf(server?.provider ?? null, resource));
}

function keyOf(provider: string | null, { kind, id }: FoundLeak['resources'][number]): string {
  return [provider ?? '', kind, id].join('\0');
}
