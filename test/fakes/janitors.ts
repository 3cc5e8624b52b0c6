/** Janitors on this host, in memory. Outlives a restart of the engine. Tests decide when and how a run ends. */
import type { EffectOf, JanitorRunner, RunHandle, RunOutcome } from '../../src/engine/ports/adapters.ts';
import type { JanitorRun } from '../../src/machines/model/janitor.ts';
import { CallController } from './call-controller.ts';

type RunJanitor = EffectOf<'runJanitor'>;
type Call = 'start' | 'stop';

interface Run {
  readonly pid: number;
  outcome: RunOutcome | null;
  watchers: ((outcome: RunOutcome) => void)[];
}

export class FakeJanitors implements JanitorRunner {
  readonly calls = new CallController<Call>();
  /** Called when a run begins; returns how it ends at once, or null: it runs until the test ends it. */
  script: (request: RunJanitor) => RunOutcome | null = () => null;
  /** Number of runs that began; adopted ones do not count. */
  started = 0;
  readonly #runs = new Map<string, Run>();
  /** Runs that were stopped before their start arrived. They never start. */
  readonly #stopped = new Set<string>();

  start(request: RunJanitor, signal: AbortSignal): Promise<RunHandle> {
    return this.calls.perform('start', signal, () => {
      const known = this.#runs.get(keyOf(request.run));
      return watch(known ?? this.#begin(request), known !== undefined);
    });
  }

  stop(run: JanitorRun, signal: AbortSignal): Promise<void> {
    return this.calls.perform('stop', signal, () => {
      if (!this.end(run, { how: 'stopped' })) this.#stopped.add(keyOf(run));
    });
  }

  async lastLine(): Promise<string | null> {
    return 'the last line';
  }

  /** False: the run does not exist. */
  end(run: JanitorRun, outcome: RunOutcome): boolean {
    const known = this.#runs.get(keyOf(run));
    if (known === undefined || known.outcome !== null) return known !== undefined;
    known.outcome = outcome;
    for (const watcher of known.watchers.splice(0)) watcher(outcome);
    return true;
  }

  /** Keys of the runs that have not ended. */
  running(): readonly string[] {
    return [...this.#runs].flatMap(([key, { outcome }]) => (outcome === null ? [key] : []));
  }

  #begin(request: RunJanitor): Run {
    const key = keyOf(request.run);
    const isStopped = this.#stopped.has(key);
    if (!isStopped) this.started += 1;
    const run: Run = {
      pid: 5_000 + this.#runs.size,
      outcome: isStopped ? { how: 'stopped' } : null,
      watchers: [],
    };
    this.#runs.set(key, run);
    if (!isStopped) {
      const outcome = this.script(request);
      if (outcome !== null) this.end(request.run, outcome);
    }
    return run;
  }
}

function watch(run: Run, adopted: boolean): RunHandle {
  let detached = false;
  const ended = new Promise<RunOutcome>((resolve) => {
    const settle = (outcome: RunOutcome) => {
      if (!detached) resolve(outcome);
    };
    if (run.outcome === null) run.watchers.push(settle);
    else resolve(run.outcome);
  });
  return {
    pid: run.pid,
    adopted,
    ended,
    detach: () => {
      detached = true;
    },
  };
}

function keyOf({ cleaning, attempt }: JanitorRun): string {
  return `${cleaning}.${attempt}`;
}
