/**
 * What cleanup could not reach: servers that carry our deployment's id although their job has ended, and merged commits of reviews that are over. A server is
 * removed only when two sweeps in a row found it so, and only with the proof that the job is ours and over; one whose
 * job nobody knows is told to the operator and left alone.
 */
import { errorText, OperationError } from '../errors.ts';
import type { Log } from '../log.ts';
import type { Alarms, Clock, Merger, OwnedServer, Provider } from './ports.ts';
import type { Store } from './store.ts';

export interface SweepOptions {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly merger: Pick<Merger, 'reviews' | 'drop'>;
  readonly store: Store;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly deployment: string;
  readonly clock: Clock;
  /** For one call to a provider: one that hangs must not end sweeping for good. */
  readonly callTimeoutMs: number;
}

export class Sweep {
  private readonly options: SweepOptions;
  private suspects = new Set<string>();
  private running: Promise<number> | null = null;

  constructor(options: SweepOptions) {
    this.options = options;
  }

  /** One round over all providers and the merged commits. Returns how many servers were removed. Never two rounds at a time; never rejects for an outage. */
  run(): Promise<number> {
    this.running ??= this.round().finally(() => {
      this.running = null;
    });
    return this.running;
  }

  private async round(): Promise<number> {
    const found = new Set<string>();
    let removed = 0;
    for (const provider of this.options.providers.values()) {
      await this.enduring(provider.name, async () => {
        removed += await this.sweepProvider(provider, found);
      });
    }
    this.suspects = found;
    await this.enduring('merged commits', () => this.sweepMerges());
    return removed;
  }

  /** An outage costs this part of this round and nothing else. */
  private async enduring(part: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      this.options.log.warn({ part, hint: thrown.hint }, `sweep: ${errorText(thrown)}`);
    }
  }

  /** Commits of reviews that are over. They lie in our own cache: one that nobody knows is of no use to anybody. */
  private async sweepMerges(): Promise<void> {
    const { merger, store } = this.options;
    for (const review of await this.within(merger.reviews(), 'list merged commits', 'git cache')) {
      if (store.review(review)?.ended === false) continue;
      await this.within(merger.drop(review), 'drop merged commits', review);
    }
  }

  private async sweepProvider(provider: Provider, found: Set<string>): Promise<number> {
    const { deployment } = this.options;
    let removed = 0;
    for (const owned of await this.within(provider.list({ deployment }), 'list servers', provider.name)) {
      if (!(await this.isLeaked(owned))) continue;
      const id = `${provider.name} ${owned.server.id}`;
      found.add(id);
      if (!this.suspects.has(id) || !(await this.remove(provider, owned))) continue;
      found.delete(id);
      removed += 1;
    }
    return removed;
  }

  /** One that can not be removed is told and tried again, and keeps none of the others from it. */
  private async remove(provider: Provider, { server, owner }: OwnedServer): Promise<boolean> {
    const { deployment, alarms, log } = this.options;
    try {
      await this.within(provider.delete(server, deployment), 'delete server', server.name);
      log.info({ server: server.name, job: owner.job }, 'swept a leaked server');
      return true;
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      const message = `the sweep can not remove it: ${errorText(thrown)}`;
      await alarms.raise({ kind: 'server-leaked', target: server.name, message, hint: thrown.hint });
      return false;
    }
  }

  private async within<T>(call: Promise<T>, operation: string, target: string): Promise<T> {
    const { clock, callTimeoutMs } = this.options;
    let cancel = () => {};
    const late = new Promise<never>((_, reject) => {
      cancel = clock.after(callTimeoutMs, () => {
        const message = `no answer within ${Math.round(callTimeoutMs / 1000)} s`;
        const hint = 'is the provider reachable? the next round tries again';
        reject(new OperationError({ operation, target, message, retryable: true, hint }));
      });
    });
    try {
      return await Promise.race([call, late]);
    } finally {
      cancel();
    }
  }

  private async isLeaked({ server, owner }: OwnedServer): Promise<boolean> {
    const job = this.options.store.job(owner.job);
    if (job !== null) return job.ended;
    await this.options.alarms.raise({
      kind: 'server-leaked',
      target: server.name,
      message: `it carries our deployment's id, but job ${owner.job} is not in this database`,
      hint: 'was the database replaced? remove the server by hand if nobody needs it',
    });
    return false;
  }
}
