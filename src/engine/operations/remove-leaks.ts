/**
 * Removes leaks through the histories of their jobs: the row that names a leak and who removes it is durable before
 * anything is deleted, and the result is another row. A daemon that is killed in between performs the removal again
 * after its start, and records it then.
 */
import { raceAbort } from '../../errors.ts';
import type { Log } from '../../log.ts';
import type { Failure, Leak } from '../../machines/model/domain.ts';
import type { LogRow } from '../../machines/protocol/row.ts';
import { Semaphore } from '../../semaphore.ts';
import { submissionFor } from '../loop/dispatch.ts';
import type { Engine } from '../loop/engine.ts';
import type { Alarms, Clock } from '../ports/adapters.ts';
import type { LogEntry, StoreReader } from '../ports/store.ts';
import type { FoundLeak } from './find-leaks.ts';
import { ownerState } from './owner-state.ts';

export interface LeakRemoverOptions {
  readonly engine: Pick<Engine, 'submit'>;
  readonly store: Pick<StoreReader, 'job' | 'openHistories' | 'rows'>;
  readonly alarms: Alarms;
  readonly clock: Clock;
  readonly log: Log;
}

/** Who removes a leak, and why. */
export interface RemovalCause {
  /** Null: the sweep. */
  readonly by: string | null;
  readonly why: string;
}

interface FailedRemoval {
  readonly attempts: number;
  readonly why: string;
  /** The sweep does not try it before this time. */
  readonly dueAt: number;
}

/** A cloud must also serve the running jobs. */
const CONCURRENT_REMOVALS = 4;
/** The wait after the second failure in a row. It doubles, up to a day: each attempt adds two rows to a history. */
const RETRY_MS = 600_000;
const RETRY_MAX_MS = 86_400_000;

export class LeakRemover {
  private readonly options: LeakRemoverOptions;
  private readonly permits = new Semaphore(CONCURRENT_REMOVALS);
  private readonly failures = new Map<string, FailedRemoval>();
  /** By the leak in the submitted event, which its rows hold too. */
  private readonly waiting = new Map<unknown, (row: LogRow) => void>();

  constructor(options: LeakRemoverOptions) {
    this.options = options;
  }

  /** Why the last attempt to remove it failed; null: none did. */
  failureOf(found: FoundLeak): string | null {
    return this.failures.get(nameOf(found))?.why ?? null;
  }

  /** Whether the sweep may try to remove it now. */
  isDue(found: FoundLeak): boolean {
    return (this.failures.get(nameOf(found))?.dueAt ?? 0) <= this.options.clock.now();
  }

  /** Forgets the failures of what is no longer found. */
  keepFailuresOf(found: readonly FoundLeak[]): void {
    const names = new Set(found.map(nameOf));
    for (const name of this.failures.keys()) if (!names.has(name)) this.failures.delete(name);
  }

  /** Resolves to those that were removed. Rejects when the signal aborts; removals that have begun continue. */
  async removeAll(
    leaks: readonly FoundLeak[],
    cause: RemovalCause,
    signal: AbortSignal,
  ): Promise<ReadonlySet<FoundLeak>> {
    const removed = new Set<FoundLeak>();
    const removeOne = async (found: FoundLeak) => {
      if (await this.remove(found, cause, signal)) removed.add(found);
    };
    await Promise.all(leaks.map((found) => this.permits.run(() => removeOne(found), signal)));
    return removed;
  }

  /** Call it with each durable batch. */
  appended(batch: readonly LogEntry[]): void {
    for (const { row } of batch) {
      if (row.type === 'leak.removed') this.clearAlarms(row.history, row.data.leak as Leak);
      if (row.type === 'leak.removed' || row.type === 'leak.remove-failed')
        this.waiting.get(row.data.leak)?.(row);
    }
  }

  /** Of the job, its holds and the sweep, also those of an earlier daemon. */
  private clearAlarms(job: string, { server }: Leak): void {
    const { alarms, store } = this.options;
    const cleared = { message: 'the sweep has removed the rest', hint: '', cleared: true } as const;
    if (server === null) {
      void alarms.raise({ kind: 'evidence-leaked', target: `job ${job}`, ...cleared });
      return;
    }
    const holds = store.rows(job).filter(({ type }) => type === 'server.handed-over');
    for (const target of [server.name, `job ${job}`, ...holds.map(({ data }) => `hold ${data.hold}`)])
      void alarms.raise({ kind: 'server-leaked', target, ...cleared });
  }

  private async remove(found: FoundLeak, { by, why }: RemovalCause, signal: AbortSignal): Promise<boolean> {
    const { engine, store } = this.options;
    const { job, server } = found;
    // Others were removed since it was found, which may have taken minutes.
    if (ownerState(store, { job }) !== 'ended') return false;
    const leak: Leak = { server, resources: found.resources.map(({ kind, id }) => ({ kind, id })) };
    const settled = new Promise<LogRow>((resolve) => {
      this.waiting.set(leak, resolve);
    });
    try {
      await engine.submit([submissionFor(job, { type: 'leak.found', leak, by, why })]);
      const row = await raceAbort(settled, signal, () => signal.reason);
      if (row.type === 'leak.removed') this.onRemoved(found);
      else await this.onFailed(found, row.data.failure as Failure);
      return row.type === 'leak.removed';
    } finally {
      this.waiting.delete(leak);
    }
  }

  private onRemoved(found: FoundLeak): void {
    const { job, server, resources } = found;
    this.failures.delete(nameOf(found));
    const what = resources.map(({ kind, id }) => `${kind} ${id}`);
    this.options.log.info({ job, resources: what, server: server?.name }, 'removed what a job left behind');
  }

  private async onFailed(found: FoundLeak, { message, hint }: Failure): Promise<void> {
    const { alarms, clock, log } = this.options;
    const name = nameOf(found);
    const attempts = (this.failures.get(name)?.attempts ?? 0) + 1;
    const waitMs = attempts === 1 ? 0 : Math.min(RETRY_MS * 2 ** (attempts - 2), RETRY_MAX_MS);
    this.failures.set(name, { attempts, why: message, dueAt: clock.now() + waitMs });
    log.warn({ part: name, hint }, `sweep: ${message}`);
    if (found.server === null) return;
    const text = `the sweep cannot remove it: ${message}`;
    await alarms.raise({ kind: 'server-leaked', target: found.server.name, message: text, hint });
  }
}

/** Identifies it from one search to the next. */
function nameOf({ job, server }: FoundLeak): string {
  return server === null ? `evidence of ${job}` : `${server.provider} ${server.name}`;
}
