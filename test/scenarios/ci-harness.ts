/**
 * A whole CI in one process: the real store, engine, admission and service, with fakes around them that survive a
 * crash. `run` advances the clock until all work has ended, and starts a new daemon on the same database after each
 * crash; it finds events that arrived without a daemon by queries, as in production.
 */
import { openStore } from '../../src/adapters/sqlite/store.ts';
import type { LifecycleOptions } from '../../src/engine/lifecycle.ts';
import type { JanitorDefinition } from '../../src/engine/operations/janitors.ts';
import type { Adapters, EffectOf, ResultsRead, RunOutcome } from '../../src/engine/ports/adapters.ts';
import type { HistoryArchive } from '../../src/engine/ports/history-archive.ts';
import type { JobView, LogEntry, Store } from '../../src/engine/ports/store.ts';
import type { JobSpec, PreparePlan, TriggerKind } from '../../src/machines/model/domain.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import type { ReportSpec } from '../../src/machines/model/report-spec.ts';
import type { HistorySnapshot } from '../../src/machines/protocol/row.ts';
import type { MailSpec } from '../../src/machines/review/mail.ts';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { versionOf } from '../../src/machines/versions.ts';
import { FakeAlarms } from '../fakes/alarms.ts';
import { FakeChangeHistory } from '../fakes/change-history.ts';
import { FakeChanges } from '../fakes/changes.ts';
import { FakeClock } from '../fakes/clock.ts';
import { FakeEvidence } from '../fakes/evidence.ts';
import { FakeHistoryArchive } from '../fakes/history-archive.ts';
import { FakeHostMetrics } from '../fakes/host-metrics.ts';
import { FakeJanitors } from '../fakes/janitors.ts';
import { FakeLog } from '../fakes/log.ts';
import { FakeMailer } from '../fakes/mailer.ts';
import { FakeMerger } from '../fakes/merger.ts';
import { FakeProvider } from '../fakes/provider.ts';
import { FakeReviewer } from '../fakes/reviewer.ts';
import { FakeRunner } from '../fakes/runner.ts';
import { FakeSource } from '../fakes/source.ts';
import { jobSpec, PASSED } from '../machines/facts.ts';
import { Daemon } from './daemon.ts';

/** The outcome of a stage, and how long it runs. */
export interface StagePlan {
  readonly afterMs: number;
  readonly outcome: RunOutcome;
}

export interface CiHarnessOptions {
  readonly slots?: number;
  /** Limits of the back ends, by name. */
  readonly backends?: Readonly<Record<string, number>>;
  readonly definitions?: readonly JanitorDefinition[];
  /** How a janitor ends, and how long it runs; null: it runs until the test ends it. */
  readonly cleans?: (request: EffectOf<'runJanitor'>) => StagePlan | null;
  readonly specs?: readonly JobSpec[];
  readonly plan?: Partial<PreparePlan>;
  readonly report?: Partial<ReportSpec>;
  /** The mail at the end of a review. */
  readonly mail?: MailSpec;
  readonly queueLength?: number;
  readonly headStartsMs?: Readonly<Partial<Record<TriggerKind, number>>>;
  readonly rules?: Partial<TriggerRules>;
  readonly starts?: boolean;
  /** False: an event that no state handles is recorded, as in production. */
  readonly strict?: boolean;
  readonly store?: Store;
  /** Null: the stage runs until the test ends it. */
  readonly stage?: (request: EffectOf<'runStage'>) => StagePlan | null;
  readonly results?: ResultsRead;
  /** Health checks; absent: none. */
  readonly monitoring?: Omit<NonNullable<LifecycleOptions['monitoring']>, 'metrics'>;
  /** Limit for evidence that waits for publication. */
  readonly pendingEvidenceBytes?: number;
  /** For how long published evidence is kept; by default forever. */
  readonly keepEvidenceMs?: number;
  /** For how long closed histories stay in the database; by default forever. */
  readonly keepHistoriesMs?: number;
  readonly maxArchiveBytes?: number;
  /** By default in memory. */
  readonly archive?: HistoryArchive;
  /** Time between a crash and the next start of the daemon. */
  readonly downtimeMs?: number;
  /** Lets a test replace adapters. */
  readonly wrapAdapters?: (adapters: Adapters, ci: CiHarness) => Adapters;
}

export const SUCCESSFUL_STAGE: StagePlan = { afterMs: 60_000, outcome: { how: 'exited', code: 0 } };
const STEPS_LIMIT = 600;
/** Turns of the event loop without a crash point, after which the process counts as idle. */
const QUIET_TURNS = 4;

export class CiHarness {
  readonly clock = new FakeClock();
  readonly provider: FakeProvider;
  readonly runner = new FakeRunner();
  readonly janitors = new FakeJanitors();
  readonly past = new FakeChangeHistory();
  readonly changes = new FakeChanges();
  readonly merger = new FakeMerger();
  readonly source = new FakeSource();
  readonly evidence = new FakeEvidence();
  readonly reviewer = new FakeReviewer();
  readonly mailer = new FakeMailer();
  readonly alarms = new FakeAlarms();
  readonly metrics = new FakeHostMetrics();
  readonly log = new FakeLog();
  readonly store: Store;
  readonly archive: HistoryArchive;
  readonly options: CiHarnessOptions;
  readonly specs: readonly JobSpec[];
  /** Crash points that were reached, by all daemons: `after append`, `before create` ... */
  readonly points: string[] = [];
  /** Indexes of the crash points at which the daemon ends. */
  crashAt: readonly number[] = [];
  /** Errors that crashed a daemon. */
  readonly crashes: unknown[] = [];
  /** Called for each durable batch. */
  onDurable: (batch: readonly LogEntry[]) => void = () => {};
  daemon: Daemon;
  lives = 1;
  #undelivered: GerritEvent[] = [];
  #ids = 0;
  #hold: { readonly point: string; readonly ms: number; readonly act: () => void } | null = null;

  constructor(options: CiHarnessOptions = {}) {
    this.options = options;
    this.specs = options.specs ?? [jobSpec()];
    this.store = options.store ?? openStore(':memory:');
    this.archive = options.archive ?? new FakeHistoryArchive();
    this.provider = new FakeProvider({ name: 'local', slots: options.slots ?? 1 });
    this.provider.onDeleted = (server) => this.runner.serverDeleted(server);
    this.runner.script = (request) => {
      this.runner.setResults(request.run.server, options.results ?? PASSED);
      this.evidence.addFile(request.run.owner.job, `${request.run.stage}.log`, 'output');
      const plan = options.stage === undefined ? SUCCESSFUL_STAGE : options.stage(request);
      if (plan === null) return null;
      const { owner, stage } = request.run;
      this.clock.after(plan.afterMs, () => this.runner.end(owner, stage, plan.outcome));
      return null;
    };
    this.janitors.script = (request) => {
      const plan = options.cleans === undefined ? SUCCESSFUL_STAGE : options.cleans(request);
      if (plan === null) return null;
      this.clock.after(plan.afterMs, () => this.janitors.end(request.run, plan.outcome));
      return null;
    };
    this.daemon = new Daemon(this);
  }

  newId(kind: 'j' | 'r' | 'h' | 'c'): string {
    this.#ids += 1;
    return `${kind}${String(this.#ids).padStart(5, '0')}`;
  }

  /** Called at each crash point; true if the daemon ends there. */
  reached(point: string): boolean {
    this.points.push(point);
    return this.crashAt.includes(this.points.length - 1);
  }

  /** The next call that reaches this point hangs there for `ms`; `act` runs meanwhile. */
  holdAt(point: string, ms: number, act: () => void): void {
    this.#hold = { point, ms, act };
  }

  /** Called at each crash point; the call waits for the promise. */
  heldAt(point: string): Promise<void> | null {
    const hold = this.#hold;
    if (hold?.point !== point) return null;
    this.#hold = null;
    hold.act();
    return new Promise((resolve) => {
      this.clock.after(hold.ms, resolve);
    });
  }

  /**
   * Jobs, reviews, publications, holds and cleanings that have not ended; other histories last as long as the
   * database.
   */
  openWork(): readonly HistorySnapshot[] {
    return this.store
      .open()
      .filter(
        (stored) =>
          versionOf(stored).isWork(stored) ||
          versionOf(stored).pendingEvidence(stored) !== null ||
          versionOf(stored).holdStatus(stored) !== null ||
          versionOf(stored).cleaningStatus(stored) !== null,
      );
  }

  start(): Promise<void> {
    void this.daemon.start();
    return this.untilIdle();
  }

  /** Lets an event happen in Gerrit now; the stream sends it to a connected daemon. */
  emit(event: GerritEvent): void {
    const now = Math.floor(this.clock.now() / 1_000) * 1_000;
    const happened = 'at' in event && event.at === 0 ? { ...event, at: now } : event;
    this.past.say(happened);
    this.#undelivered.push(happened);
    this.#hear(this.daemon, happened);
  }

  /** Events that no daemon has received yet. */
  get undelivered(): number {
    return this.#undelivered.length;
  }

  get undeliveredEvents(): readonly GerritEvent[] {
    return this.#undelivered;
  }

  markDelivered(events: readonly GerritEvent[]): void {
    this.#undelivered = this.#undelivered.filter((event) => !events.includes(event));
  }

  /** SIGKILL, and a new daemon on the same database. */
  restart(): Promise<void> {
    this.daemon.life.end();
    this.daemon = new Daemon(this);
    this.lives += 1;
    return this.start();
  }

  /** Waits until nothing more happens without the clock. */
  async untilIdle(): Promise<void> {
    for (let still = 0, before = -1; still < QUIET_TURNS; still += 1) {
      if (before !== this.points.length) still = 0;
      before = this.points.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * Advances the clock until `enough`, by default until nothing is open. Restarts a daemon that died.
   * @throws if that takes too many steps
   */
  async run(enough: () => boolean = () => this.isIdle): Promise<void> {
    for (let steps = 0; steps < STEPS_LIMIT; steps += 1) {
      await this.untilIdle();
      if (!this.daemon.life.alive) {
        await this.clock.advance(this.options.downtimeMs ?? 0);
        await this.restart();
        continue;
      }
      if (enough()) return;
      await this.clock.advance(this.clock.nextIn ?? 0);
    }
    throw new Error(`not idle after ${STEPS_LIMIT} steps: ${this.summary()}`);
  }

  get isIdle(): boolean {
    const { engine } = this.daemon;
    const { length } = this.openWork();
    const waits = this.store.waitingStarts().length > 0;
    return (
      this.#undelivered.length === 0 && engine.inFlight === 0 && length === 0 && !waits && this.#hasListened
    );
  }

  /** No catch-up is pending. */
  get #hasListened(): boolean {
    const state = this.store.stored('stream')?.state ?? 'stopped';
    return state === 'up.listening' || state === 'stopped';
  }

  /** All jobs, oldest first. */
  jobs(): readonly JobView[] {
    return [...this.store.jobs({ limit: 1_000 })].reverse();
  }

  summary(): string {
    const pending = this.store.outbox().map(({ history, key }) => `${history} ${key}`);
    const states = this.openWork().map(({ history, state }) => `${history} ${state}`);
    return `${states.join(', ')}; pending: ${pending.join(', ')}; undelivered: ${this.#undelivered.length}; lives: ${this.lives}`;
  }

  #hear(daemon: Daemon, event: GerritEvent): void {
    void daemon.hear(event).then((taken) => {
      if (taken) this.markDelivered([event]);
    });
  }
}
