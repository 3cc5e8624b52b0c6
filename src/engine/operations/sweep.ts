/**
 * Removes what cleanup could not reach: servers that carry our deployment's id although their job has ended, evidence
 * on this host of such a job, and merged commits of ended reviews. Servers and evidence are removed only when two
 * sweeps in a row found them, and only if the store proves that the job is ours and has ended. Those of unknown jobs
 * are kept; an alarm reports such a server.
 */
import { errorText, OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { publicationOf } from '../../machines/job/publication.ts';
import type { Alarm } from '../../machines/model/alarm.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { Adapters, Alarms, Clock, Evidence, Merger, OwnedServer, Provider } from '../ports/adapters.ts';
import type { OutboxEntry, Store } from '../ports/store.ts';
import { ownerState } from './owner-state.ts';

export interface SweepOptions {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly merger: Pick<Merger, 'reviews' | 'drop'>;
  readonly evidence: Pick<Evidence, 'held' | 'discard'>;
  readonly store: Store;
  readonly alarms: Alarms;
  readonly log: Log;
  /** Removes secrets from the messages of providers. */
  readonly hide: Adapters['hide'];
  readonly deployment: string;
  readonly clock: Clock;
  /** Timeout of one provider call: a hanging call must not stop all later sweeps. */
  readonly callTimeoutMs: number;
}

/** What one round found. */
interface Round {
  /** Apparent leaks: removed when the previous round found them too. */
  readonly suspects: Set<string>;
  /** Jobs that have a server. */
  readonly jobsWithServer: Set<string>;
  /** Providers that failed to list their servers. */
  readonly unlisted: Set<string>;
}

export class Sweep {
  private readonly options: SweepOptions;
  private suspects: ReadonlySet<string> = new Set();
  private running: Promise<number> | null = null;
  private readonly stopping = new AbortController();

  constructor(options: SweepOptions) {
    this.options = options;
  }

  /**
   * Runs one round over all providers, this host and the merged commits. Returns how many servers were removed. Rounds
   * never overlap; an outage never rejects.
   */
  run(): Promise<number> {
    this.running ??= this.round().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  /** Ends the current round and begins no other. Resolves when no work of it remains. */
  async stop(): Promise<void> {
    this.stopping.abort();
    await this.running?.catch(() => {});
  }

  private async round(): Promise<number> {
    const round: Round = { suspects: new Set(), jobsWithServer: new Set(), unlisted: new Set() };
    let removed = 0;
    for (const provider of this.options.providers.values()) {
      const listed = await this.tryPart(provider.name, async () => {
        removed += await this.sweepProvider(provider, round);
      });
      if (!listed) round.unlisted.add(provider.name);
    }
    await this.tryPart('evidence', () => this.sweepEvidence(round));
    this.suspects = round.suspects;
    await this.tryPart('merged commits', () => this.sweepMerges());
    return removed;
  }

  /** An outage ends only this part of this round. Resolves to false after an outage. */
  private async tryPart(part: string, work: () => Promise<void>): Promise<boolean> {
    if (this.stopping.signal.aborted) return false;
    try {
      await work();
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      if (this.stopping.signal.aborted) return false;
      const { log, hide } = this.options;
      log.warn({ part, hint: thrown.hint }, `sweep: ${hide(errorText(thrown))}`);
      return false;
    }
  }

  /** Removes commits of ended reviews. They are in our own cache, so commits of unknown reviews are removed too. */
  private async sweepMerges(): Promise<void> {
    const { merger, store } = this.options;
    for (const review of await this.within(() => merger.reviews(), 'list merged commits', 'git cache')) {
      if (store.review(review)?.ended === false) continue;
      await this.within(() => merger.drop(review), 'drop merged commits', review);
    }
  }

  /** Removes evidence of jobs that ended without removing it. */
  private async sweepEvidence(round: Round): Promise<void> {
    const { evidence, alarms, log } = this.options;
    for (const job of await this.within(() => evidence.held(), 'list evidence', 'this host')) {
      if (!this.isOver(job, round)) continue;
      const id = `evidence of ${job}`;
      round.suspects.add(id);
      if (!this.suspects.has(id)) continue;
      await this.tryPart(id, async () => {
        await this.within(() => evidence.discard(job, 'all'), 'discard evidence', job);
        log.info({ job }, 'removed leftover evidence of a job');
        await alarms.raise(evidenceRemoved(job));
        round.suspects.delete(id);
      });
    }
  }

  /**
   * True when the job has ended, none of its servers is left and no effect still needs the evidence. Servers must go
   * first: leftover processes are found with the files here.
   */
  private isOver(id: string, { jobsWithServer, unlisted }: Round): boolean {
    const { store, clock, providers } = this.options;
    const job = store.job(id);
    if (job === null || ownerState(store, { job: id }) !== 'ended' || jobsWithServer.has(id)) return false;
    if (store.stored(publicationOf(id))?.ended === false) return false;
    // A provider that was removed or does not answer cannot confirm that the job has no server.
    if (!providers.has(job.provider) || unlisted.has(job.provider)) return false;
    return !store.outbox(id).some((pending) => mayBePerformed(pending, clock.now()));
  }

  private async sweepProvider(provider: Provider, round: Round): Promise<number> {
    const { deployment } = this.options;
    let removed = 0;
    const list = (signal: AbortSignal) => provider.list({ deployment }, signal);
    for (const owned of await this.within(list, 'list servers', provider.name)) {
      round.jobsWithServer.add(owned.owner.job);
      if (!(await this.isLeaked(owned))) continue;
      const id = `${provider.name} ${owned.server.id}`;
      round.suspects.add(id);
      if (!this.suspects.has(id) || !(await this.remove(provider, owned))) continue;
      round.suspects.delete(id);
      removed += 1;
    }
    return removed;
  }

  /** A server that cannot be removed is reported and retried, and does not block the removal of others. */
  private async remove(provider: Provider, { server, owner }: OwnedServer): Promise<boolean> {
    const { deployment, alarms, log } = this.options;
    try {
      const remove = (signal: AbortSignal) => provider.delete(server, deployment, signal);
      await this.within(remove, 'delete server', server.name);
      log.info({ server: server.name, job: owner.job }, 'removed a leaked server');
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      if (this.stopping.signal.aborted) return false;
      const message = `the sweep cannot remove it: ${errorText(thrown)}`;
      await alarms.raise({ kind: 'server-leaked', target: server.name, message, hint: thrown.hint });
      return false;
    }
  }

  private async within<T>(
    call: (signal: AbortSignal) => Promise<T>,
    operation: string,
    target: string,
  ): Promise<T> {
    const { clock, callTimeoutMs } = this.options;
    const over = new AbortController();
    const signal = AbortSignal.any([this.stopping.signal, over.signal]);
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(callTimeoutMs, () => {
        const message = `no answer within ${formatLimit(callTimeoutMs)}`;
        const hint = 'check whether the provider is reachable; the next sweep tries again';
        reject(new OperationError({ operation, target, message, retryable: true, hint }));
        over.abort();
      });
    });
    try {
      return await Promise.race([call(signal), late]);
    } finally {
      cancel();
    }
  }

  private async isLeaked({ server, owner }: OwnedServer): Promise<boolean> {
    const state = ownerState(this.options.store, owner);
    if (state !== 'unknown') return state === 'ended';
    await this.options.alarms.raise({
      kind: 'server-leaked',
      target: server.name,
      message: `it carries our deployment's id, but job ${owner.job} is not in this database`,
      hint: 'check whether the database was replaced; remove the server by hand if it is not needed',
    });
    return false;
  }
}

/** Clears the alarm that the job raised when it failed to remove its evidence, if any. */
function evidenceRemoved(job: string): Alarm {
  return {
    kind: 'evidence-leaked',
    target: `job ${job}`,
    message: 'the sweep has removed the rest',
    hint: '',
    cleared: true,
  };
}

/** True before the effect's deadline: later effects of an ended job are not performed and stay pending. */
function mayBePerformed({ effect, requestedAt }: OutboxEntry, now: number): boolean {
  return 'timeoutMs' in effect && now < requestedAt + effect.timeoutMs;
}
