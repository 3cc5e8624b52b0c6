/**
 * Starts janitors: at an operator's request, when their back ends are idle, on schedule, and above a threshold. Each
 * janitor has at most one open cleaning. When the newest cleaning of each began and ended, and when jobs last used the
 * back ends, follows from the store, so a restart loses no reason to clean and makes up for a time that passed
 * meanwhile.
 */
import { errorText, OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { lastCleanings } from '../../machines/janitor/cleanings.ts';
import type { CleaningCause, JanitorSpec } from '../../machines/model/janitor.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { CleaningStatus } from '../../machines/protocol/version.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import { Semaphore } from '../../semaphore.ts';
import type { NewId } from '../intake/ids.ts';
import type { Engine } from '../loop/engine.ts';
import type { Adapters, Alarms, Clock } from '../ports/adapters.ts';
import { type Operator, type OperatorAnswers, Refused } from '../ports/operator-api.ts';
import type { JanitorView, LogEntry, StoreReader } from '../ports/store.ts';

/** A janitor of the configuration, with functions in place of the settings that need other code. */
export interface JanitorDefinition {
  readonly view: JanitorView;
  readonly spec: JanitorSpec;
  /** The first time of the schedule after this one; null: none. */
  readonly nextTime: (after: number) => number | null;
  readonly threshold: {
    readonly above: number;
    readonly everyMs: number;
    /** @throws OperationError */
    readonly measure: (signal: AbortSignal) => Promise<number>;
  } | null;
}

export interface JanitorsOptions {
  readonly engine: Engine;
  readonly store: Pick<StoreReader, 'jobs' | 'stored' | 'openHistories' | 'newestHistories'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly hide: Adapters['hide'];
  readonly log: Log;
  readonly newId: NewId;
  readonly definitions: readonly JanitorDefinition[];
  /** False: the daemon only monitors, and no janitor cleans. */
  readonly starts: boolean;
}

/** Schedules are exact to the minute. */
const CHECK_MS = 30_000;
/** A back end counts as never used if none of this many newest jobs has used it. */
const MAX_JOBS = 1_000;

export class Janitors {
  readonly #options: JanitorsOptions;
  #definitions: readonly JanitorDefinition[];
  readonly #turn = new Semaphore(1);
  readonly #stopping = new AbortController();
  readonly #last = new Map<string, CleaningStatus>();
  /** When the last job that used each back end ended, epoch ms. */
  readonly #used = new Map<string, number>();
  /** When each threshold was last measured, epoch ms. */
  readonly #measured = new Map<string, number>();
  /** When each schedule was added or changed while this daemon ran, epoch ms. */
  readonly #scheduleSince = new Map<string, number>();
  #isStarted = false;
  /** True while a round runs or is due. */
  #isScheduled = false;
  /** Schedules without any cleaning count from here. */
  #startedAt = 0;
  #round: Promise<void> = Promise.resolve();
  #cancel: () => void = () => {};

  constructor(options: JanitorsOptions) {
    this.#options = options;
    this.#definitions = options.definitions;
  }

  get views(): readonly JanitorView[] {
    return this.#definitions.map(({ view }) => view);
  }

  /** Reads the newest cleanings. Call it after the engine has recovered, also in a daemon that drains. */
  recover(): void {
    for (const [janitor, status] of lastCleanings(this.#options.store)) this.#last.set(janitor, status);
  }

  /** Call it after `recover`. */
  start(): void {
    const { store, clock } = this.#options;
    this.#startedAt = clock.now();
    for (const { id, endedAt } of store.jobs({ limit: MAX_JOBS })) {
      const stored = store.stored(id);
      if (stored !== null && endedAt !== null) this.#addUse(stored, endedAt);
    }
    this.#isStarted = this.#options.starts;
    this.#schedule();
  }

  /** Starts nothing more. Cleanings that are open continue. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#cancel();
    await this.#round;
  }

  /** Replaces the definitions. Open cleanings keep theirs. */
  define(definitions: readonly JanitorDefinition[]): void {
    for (const { view } of definitions) {
      const known = this.views.find(({ name }) => name === view.name);
      if (known?.schedule !== view.schedule) this.#scheduleSince.set(view.name, this.#options.clock.now());
    }
    this.#definitions = definitions;
    this.#schedule();
  }

  /** Call it with each durable batch. */
  appended(batch: readonly LogEntry[]): void {
    for (const { stored, endsJob } of batch) {
      const status = versionOf(stored).cleaningStatus(stored);
      if (status !== null && !this.#isOlder(status)) this.#last.set(status.janitor, status);
      if (endsJob) this.#addUse(stored, stored.at);
    }
  }

  /** @throws Refused */
  async clean(name: string, { who, why }: Operator): Promise<OperatorAnswers['clean']> {
    const definition = this.#definitions.find(({ spec }) => spec.name === name);
    if (definition === undefined) {
      const known = this.#definitions.map(({ spec }) => spec.name).join(', ');
      throw new Refused(
        'unknown',
        `there is no janitor ${name}`,
        known === '' ? 'docs/janitor.md' : `known: ${known}`,
      );
    }
    if (!this.#options.starts)
      throw new Refused('refused', 'this daemon only monitors', 'start one without --monitor-only');
    const cleaning = await this.#request(definition, { by: 'operator', who, why });
    if (cleaning !== null) return { cleaning, backends: definition.spec.backends };
    const open = this.#last.get(name);
    throw new Refused(
      'refused',
      `janitor ${name} already ${open?.phase === 'waiting' ? 'waits for its back ends' : 'cleans'}: ${open?.cleaning ?? ''}`,
      'see sos-ci janitors',
    );
  }

  #addUse(job: HistorySnapshot, endedAt: number): void {
    for (const backend of versionOf(job).usedBackends(job))
      this.#used.set(backend, Math.max(this.#used.get(backend) ?? 0, endedAt));
  }

  #schedule(): void {
    const isNeeded = this.#isStarted && this.#definitions.length > 0;
    if (!isNeeded || this.#isScheduled || this.#stopping.signal.aborted) return;
    this.#isScheduled = true;
    this.#cancel = this.#options.clock.after(CHECK_MS, () => {
      this.#round = this.#checkAll().then(() => {
        this.#isScheduled = false;
        this.#schedule();
      });
    });
  }

  async #checkAll(): Promise<void> {
    for (const definition of this.#definitions) {
      if (this.#stopping.signal.aborted) return;
      if (this.#isOpen(definition.spec.name)) continue;
      const cause =
        this.#scheduled(definition) ?? this.#idle(definition) ?? (await this.#overThreshold(definition));
      if (cause === null || this.#stopping.signal.aborted) continue;
      await this.#request(definition, cause).catch((thrown: unknown) => {
        if (!this.#options.engine.ending) throw thrown;
      });
    }
  }

  /** Null: it has an open cleaning already. */
  #request({ spec }: JanitorDefinition, cause: CleaningCause): Promise<string | null> {
    const { engine, newId, clock } = this.#options;
    return this.#turn.run(async () => {
      if (this.#isOpen(spec.name)) return null;
      const cleaning = newId('c', clock.now());
      await engine.submit([
        {
          history: cleaning,
          startsOn: newest.janitor,
          event: { type: 'cleaning.requested', cleaning, janitor: spec, cause },
          settles: null,
          causationId: null,
        },
      ]);
      return cleaning;
    });
  }

  /** True for a cleaning that another one has followed. Their ids cannot tell: the clock may have been set back. */
  #isOlder({ janitor, cleaning, phase }: CleaningStatus): boolean {
    const known = this.#last.get(janitor);
    return phase === 'ended' && known !== undefined && known.cleaning !== cleaning;
  }

  #isOpen(name: string): boolean {
    return (this.#last.get(name)?.phase ?? 'ended') !== 'ended';
  }

  /** A time that passed during a cleaning needs no other one. */
  #scheduled({ spec, nextTime }: JanitorDefinition): CleaningCause | null {
    const lastAt = this.#last.get(spec.name)?.endedAt ?? this.#startedAt;
    const dueAt = nextTime(Math.max(lastAt, this.#scheduleSince.get(spec.name) ?? 0));
    return dueAt === null || dueAt > this.#options.clock.now() ? null : { by: 'schedule', dueAt };
  }

  #idle({ spec, view: { idleMs } }: JanitorDefinition): CleaningCause | null {
    if (idleMs === null) return null;
    const { engine, clock } = this.#options;
    const { holders, waiting } = engine.slots.queue;
    const isOurs = (backend: string) => spec.backends.includes(backend);
    if ([...holders, ...waiting].some(({ backends = [] }) => backends.some(isOurs))) return null;
    const usedAt = Math.max(...spec.backends.map((backend) => this.#used.get(backend) ?? 0));
    const isClean = usedAt <= (this.#last.get(spec.name)?.requestedAt ?? 0);
    return isClean || clock.now() - usedAt < idleMs ? null : { by: 'idle', idleMs };
  }

  async #overThreshold({ spec, threshold }: JanitorDefinition): Promise<CleaningCause | null> {
    if (threshold === null) return null;
    const { clock, alarms, hide, log } = this.#options;
    const { above, everyMs, measure } = threshold;
    if (clock.now() - (this.#measured.get(spec.name) ?? 0) < everyMs) return null;
    this.#measured.set(spec.name, clock.now());
    const alarm = { kind: 'janitor-failed', target: `${spec.name} threshold` } as const;
    try {
      const measured = await measure(this.#stopping.signal);
      await alarms.raise({ ...alarm, message: 'the threshold can be measured', hint: '', cleared: true });
      return measured > above ? { by: 'threshold', measured, above } : null;
    } catch (thrown) {
      if (!(thrown instanceof OperationError)) throw thrown;
      if (this.#stopping.signal.aborted) return null;
      const message = hide(errorText(thrown));
      log.warn({ janitor: spec.name, hint: thrown.hint }, `threshold: ${message}`);
      await alarms.raise({
        ...alarm,
        message: `the threshold cannot be measured: ${message}`,
        hint: thrown.hint,
      });
      return null;
    }
  }
}
