/**
 * Runs of stages on servers, in memory. Outlives a restart of the engine: a run continues, and a second start of the
 * same run finds it. Tests decide when and how a run ends.
 */
import type {
  ContactListener,
  EffectOf,
  ResultsRead,
  RunHandle,
  Runner,
  RunOutcome,
} from '../../src/engine/ports/adapters.ts';
import type { Failure, Ownership, ResultsSpec, Server, Stage } from '../../src/machines/model/domain.ts';
import type { StageRun } from '../../src/machines/protocol/effects.ts';
import { CallController, type Hold } from './call-controller.ts';

type RunStage = EffectOf<'runStage'>;
type Call = 'start' | 'stop' | 'readResults';
type RunOwner = Pick<Ownership, 'job' | 'attempt'>;

interface Run {
  readonly request: RunStage;
  readonly pid: number;
  outcome: RunOutcome | null;
  watchers: ((outcome: RunOutcome) => void)[];
  listeners: ContactListener[];
  contact: Parameters<ContactListener>[0];
  /** True: another program deleted its server, so its end is never observed. */
  vanished: boolean;
}

export class FakeRunner implements Runner {
  /** Fails, holds, releases, counts and awaits calls by name: `start`, `stop`, `readResults`. */
  readonly calls = new CallController<Call>();
  /** Returns how a run ends immediately after its start; null: it runs until the test ends it. */
  script: (request: RunStage) => RunOutcome | null = () => null;
  /** Number of started commands (adopted runs do not count), and of detached handles. */
  started = 0;
  detached = 0;
  readonly #runs = new Map<string, Run>();
  readonly #results = new Map<string, ResultsRead>();
  /** Runs that were stopped before their start arrived. They never start. */
  readonly #stopped = new Set<string>();
  #arrivals: { readonly key: string; readonly resolve: () => void }[] = [];

  start(request: RunStage, signal: AbortSignal, onContact: ContactListener = () => {}): Promise<RunHandle> {
    return this.calls.perform('start', signal, () => {
      const known = this.#runs.get(keyOf(request.run.owner, request.run.stage));
      const run = known ?? this.#begin(request);
      run.listeners.push(onContact);
      if (run.contact === 'away') onContact('away');
      return this.#watch(run, known !== undefined);
    });
  }

  stop(run: StageRun, signal: AbortSignal): Promise<void> {
    return this.calls.perform('stop', signal, () => {
      const known = this.#runs.get(keyOf(run.owner, run.stage));
      if (known !== undefined) settle(known, { how: 'stopped' });
      else this.#stopped.add(keyOf(run.owner, run.stage));
    });
  }

  readResults(
    server: Server,
    results: ResultsSpec,
    _timeoutMs: number,
    signal: AbortSignal,
  ): Promise<ResultsRead> {
    return this.calls.perform('readResults', signal, () => {
      return this.#results.get(server.id) ?? { unreadable: `${results.file}: no such file` };
    });
  }

  /** The next call (of this name, if given) rejects with this failure. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.calls.failNext(failure, call);
  }

  /** The next call of this name hangs until `release`, before (`request`) or after (`answer`) it takes effect. */
  holdNext(hold: Hold = 'answer', call: Call = 'start'): void {
    this.calls.holdNext(hold, call);
  }

  release(): boolean {
    return this.calls.release();
  }

  /** Ends a run: its command exited, was killed or vanished. False: the run does not exist or has ended. */
  end(owner: RunOwner, stage: Stage, outcome: RunOutcome): boolean {
    const run = this.#runs.get(keyOf(owner, stage));
    return run !== undefined && settle(run, outcome);
  }

  /** The server of this run stops answering, or answers again. */
  setContact(owner: RunOwner, stage: Stage, contact: Run['contact']): void {
    const run = this.#runs.get(keyOf(owner, stage));
    if (run === undefined) return;
    run.contact = contact;
    for (const listener of run.listeners) listener(contact);
  }

  /** Another program has deleted this server, so it does not answer. */
  vanish({ id }: Server): void {
    for (const run of this.#runs.values()) {
      if (run.request.run.server.id !== id || run.outcome !== null) continue;
      run.vanished = true;
      const { owner, stage } = run.request.run;
      this.setContact(owner, stage, 'away');
    }
  }

  /** Sets the contents of the results file of this server. */
  setResults(server: Pick<Server, 'id'>, results: ResultsRead): void {
    this.#results.set(server.id, results);
  }

  /** Ends all runs on the server. Call it from `FakeProvider.onDeleted`. */
  serverDeleted(server: Server): void {
    for (const run of this.#runs.values()) {
      if (run.request.run.server.id === server.id) {
        settle(run, { how: 'lost', why: 'the server was deleted' });
      }
    }
  }

  /** Runs that have neither ended nor vanished. */
  running(): readonly RunStage[] {
    return [...this.#runs.values()]
      .filter((run) => run.outcome === null && !run.vanished)
      .map((run) => run.request);
  }

  /** Resolves when this run's command has begun, now or before. */
  begun(owner: RunOwner, stage: Stage): Promise<void> {
    const key = keyOf(owner, stage);
    if (this.#runs.has(key)) return Promise.resolve();
    return new Promise((resolve) => this.#arrivals.push({ key, resolve }));
  }

  #begin(request: RunStage): Run {
    const key = keyOf(request.run.owner, request.run.stage);
    const stopped = this.#stopped.has(key);
    if (!stopped) this.started += 1;
    const run: Run = {
      request,
      pid: 1000 + this.#runs.size,
      outcome: null,
      watchers: [],
      listeners: [],
      contact: 'back',
      vanished: false,
    };
    this.#runs.set(key, run);
    const outcome = stopped ? ({ how: 'stopped' } as const) : this.script(request);
    if (outcome !== null) settle(run, outcome);
    for (const arrival of this.#arrivals) if (arrival.key === key) arrival.resolve();
    this.#arrivals = this.#arrivals.filter((arrival) => arrival.key !== key);
    return run;
  }

  #watch(run: Run, adopted: boolean): RunHandle {
    let attached = true;
    const ended = new Promise<RunOutcome>((resolve) => {
      const settle = (outcome: RunOutcome) => {
        if (attached) resolve(outcome);
      };
      if (run.outcome !== null) settle(run.outcome);
      else run.watchers.push(settle);
    });
    const detach = () => {
      if (attached) this.detached += 1;
      attached = false;
    };
    return { pid: run.pid, adopted, ended, detach };
  }
}

function keyOf(owner: RunOwner, stage: Stage): string {
  return `${owner.job}/${owner.attempt}/${stage}`;
}

function settle(run: Run, outcome: RunOutcome): boolean {
  if (run.outcome !== null) return false;
  run.outcome = outcome;
  for (const settle of run.watchers) settle(outcome);
  run.watchers = [];
  return true;
}
