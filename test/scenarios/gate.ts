/**
 * The lifetime of one daemon: all calls of its engine go through here. After its end, as after SIGKILL, its calls never
 * arrive, it gets no results, and its timers never fire. Most calls have crash points at which a test can end the
 * daemon.
 */
import type { Adapters, Clock, Provider, RunHandle } from '../../src/engine/ports/adapters.ts';
import type { HistoryArchive } from '../../src/engine/ports/history-archive.ts';
import type { IntakeUpdate, LogEntry, Store } from '../../src/engine/ports/store.ts';

export class Life {
  alive = true;
  readonly #reached: (point: string) => boolean;
  readonly #held: (point: string) => Promise<void> | null;

  /**
   * @param reached called at each crash point; true ends the daemon there
   * @param held a promise for which the call waits at this point
   */
  constructor(reached: (point: string) => boolean, held: (point: string) => Promise<void> | null) {
    this.#reached = reached;
    this.#held = held;
  }

  end(): void {
    this.alive = false;
  }

  /** Has two crash points: before the call, and after it before its result arrives. */
  async call<T>(name: string, work: () => Promise<T>): Promise<T> {
    if (this.#endsAt(`before ${name}`)) return never();
    await this.#held(`before ${name}`);
    let answer: T;
    try {
      answer = await work();
    } catch (thrown) {
      if (this.#endsAt(`after ${name}`)) return never();
      throw thrown;
    }
    await this.#held(`after ${name}`);
    return this.#endsAt(`after ${name}`) ? never() : answer;
  }

  adapters(adapters: Adapters): Adapters {
    const { catchUp, changes, merger, source, runner, janitors, evidence, reviewer, alarms, mailer } =
      adapters;
    return {
      providers: new Map([...adapters.providers].map(([name, provider]) => [name, this.#provider(provider)])),
      catchUp: {
        run: (request, signal) => this.call('catchUp', () => catchUp.run(request, signal)),
      },
      changes: {
        lookUp: (request, signal) => this.call('lookUp', () => changes.lookUp(request, signal)),
      },
      merger: {
        merge: (request, signal) => this.call('merge', () => merger.merge(request, signal)),
        reviews: () => merger.reviews(),
        drop: (review) => this.call('drop', () => merger.drop(review)),
      },
      source: {
        fetch: (request, signal) => this.call('fetch', () => source.fetch(request, signal)),
      },
      runner: {
        start: async (...what) => this.#handle(await this.call('start', () => runner.start(...what))),
        stop: (run, signal) => this.call('stop', () => runner.stop(run, signal)),
        readResults: (...what) => this.call('readResults', () => runner.readResults(...what)),
      },
      janitors: {
        start: async (...what) => this.#handle(await this.call('clean', () => janitors.start(...what))),
        stop: (run, signal) => this.call('stopJanitor', () => janitors.stop(run, signal)),
        lastLine: (run) => janitors.lastLine(run),
      },
      evidence: {
        collect: (request, signal) => this.call('collect', () => evidence.collect(request, signal)),
        publish: (request, signal) => this.call('publish', () => evidence.publish(request, signal)),
        lastLine: (owner, stage) => evidence.lastLine(owner, stage),
        held: () => evidence.held(),
        discard: (job, part) => this.call('discard', () => evidence.discard(job, part)),
        expire: (expiry, timeoutMs, signal) =>
          this.call('expire', () => evidence.expire(expiry, timeoutMs, signal)),
      },
      reviewer: {
        post: (request, signal, recovered) =>
          this.call('post', () => reviewer.post(request, signal, recovered)),
        readChangeState: (request, signal) =>
          this.call('readChangeState', () => reviewer.readChangeState(request, signal)),
        readVotes: (request, signal) => this.call('readVotes', () => reviewer.readVotes(request, signal)),
      },
      alarms: { raise: (alarm) => this.call('raise', () => alarms.raise(alarm)) },
      mailer:
        mailer === null
          ? null
          : { send: (mail, signal) => this.call('send', () => mailer.send(mail, signal)) },
      hide: adapters.hide,
      activeJobs: adapters.activeJobs,
    };
  }

  archive(archive: HistoryArchive): HistoryArchive {
    return {
      write: (head, rows) => this.call('archive', () => archive.write(head, rows)),
      numbers: () => archive.numbers(),
      remove: (number) => this.call('removeArchive', () => archive.remove(number)),
    };
  }

  clock(clock: Clock): Clock {
    return {
      now: () => clock.now(),
      monotonic: () => clock.monotonic(),
      after: (delayMs, due) =>
        clock.after(delayMs, () => {
          if (this.alive) due();
        }),
    };
  }

  /** @param durable called for each batch in the log, even if the engine gets no result */
  store(store: Store, durable: (batch: readonly LogEntry[]) => void): Store {
    const append = (batch: readonly LogEntry[], noted: readonly IntakeUpdate[] = []) =>
      this.call('append', async () => {
        await store.append(batch, noted);
        durable(batch);
      });
    const aside = ['count', 'alarm', 'setDaemon', 'moveIntake', 'forgetSeen', 'close'];
    return new Proxy(store, {
      get: (target, property) => {
        if (property === 'append') return append;
        const value: unknown = Reflect.get(target, property, target);
        if (typeof value !== 'function') return value;
        if (aside.includes(String(property)) && !this.alive) return () => {};
        return value.bind(target);
      },
    });
  }

  #endsAt(point: string): boolean {
    if (this.alive && this.#reached(point)) this.alive = false;
    return !this.alive;
  }

  #provider(provider: Provider): Provider {
    return {
      name: provider.name,
      slots: provider.slots,
      create: (request, signal) => this.call('create', () => provider.create(request, signal)),
      list: (owner, signal) => this.call('list', () => provider.list(owner, signal)),
      delete: (...what) => this.call('delete', () => provider.delete(...what)),
      open: (...what) => this.call('open', () => provider.open(...what)),
      describe: (...what) => this.call('describe', () => provider.describe(...what)),
      whyGone: (...what) => this.call('whyGone', () => provider.whyGone(...what)),
    };
  }

  #handle(handle: RunHandle): RunHandle {
    return {
      pid: handle.pid,
      adopted: handle.adopted,
      ended: this.call('ended', () => handle.ended),
      detach: () => {
        if (this.alive) handle.detach();
      },
    };
  }
}

function never<T>(): Promise<T> {
  return new Promise(() => {});
}
