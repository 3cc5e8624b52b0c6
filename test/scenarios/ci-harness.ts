/**
 * A whole CI in one process: the real store, engine, admission and service, and around them a made-up world that
 * outlives them. `run` lets time go by until all work has ended, and puts a new daemon on the same database wherever
 * one died; what Gerrit says while nobody listens is found in its own account, as in production.
 */
import { openStore } from '../../src/adapters/sqlite/store.ts';
import type { LifecycleOptions } from '../../src/engine/lifecycle.ts';
import type { Adapters, EffectOf, RunOutcome } from '../../src/engine/ports/adapters.ts';
import type { JobView, LogEntry, Store } from '../../src/engine/ports/store.ts';
import type { JobSpec, PreparePlan, ResultsSummary, TriggerKind } from '../../src/machines/model/domain.ts';
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
import { FakeHostMetrics } from '../fakes/host-metrics.ts';
import { FakeLog } from '../fakes/log.ts';
import { FakeMailer } from '../fakes/mailer.ts';
import { FakeMerger } from '../fakes/merger.ts';
import { FakeProvider } from '../fakes/provider.ts';
import { FakeReviewer } from '../fakes/reviewer.ts';
import { FakeRunner } from '../fakes/runner.ts';
import { FakeSource } from '../fakes/source.ts';
import { jobSpec, PASSED } from '../machines/facts.ts';
import { Daemon } from './daemon.ts';

/** How one stage goes: its ending after some time. */
export interface StagePlan {
  readonly afterMs: number;
  readonly outcome: RunOutcome;
}

export interface CiHarnessOptions {
  readonly slots?: number;
  readonly specs?: readonly JobSpec[];
  readonly plan?: Partial<PreparePlan>;
  readonly report?: Partial<ReportSpec>;
  /** Whom the end of a review is told by mail. */
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
  readonly results?: ResultsSummary | { readonly unreadable: string };
  /** What is looked at; absent: nobody looks around. */
  readonly monitoring?: Omit<NonNullable<LifecycleOptions['monitoring']>, 'metrics'>;
  /** What may wait to be published. */
  readonly pendingEvidenceBytes?: number;
  /** How long nobody starts the daemon again after a crash. */
  readonly downtimeMs?: number;
  /** Puts something of the test's own between the engine and the made-up world. */
  readonly wrapAdapters?: (world: Adapters, ci: CiHarness) => Adapters;
}

export const SUCCESSFUL_STAGE: StagePlan = { afterMs: 60_000, outcome: { how: 'exited', code: 0 } };
const STEPS_LIMIT = 600;
/** Turns of the event loop without any crossing, after which nothing moves by itself any more. */
const QUIET_TURNS = 4;

export class CiHarness {
  readonly clock = new FakeClock();
  readonly provider: FakeProvider;
  readonly runner = new FakeRunner();
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
  readonly options: CiHarnessOptions;
  readonly specs: readonly JobSpec[];
  /** Crossings of the gate so far, over all lives: `after append`, `before create` ... */
  readonly points: string[] = [];
  /** Ends the daemon's life at the crossings with these numbers, from 0. */
  crashAt: readonly number[] = [];
  /** What daemons died of that were not killed. */
  readonly crashes: unknown[] = [];
  /** Told of each durable batch. */
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
    this.daemon = new Daemon(this);
  }

  newId(kind: 'j' | 'r'): string {
    this.#ids += 1;
    return `${kind}${String(this.#ids).padStart(5, '0')}`;
  }

  /** The gate's: true where the test wants the daemon's life to end. */
  reached(point: string): boolean {
    this.points.push(point);
    return this.crashAt.includes(this.points.length - 1);
  }

  /** The first call that comes to this point hangs there for `ms`; `act` happens meanwhile. */
  holdAt(point: string, ms: number, act: () => void): void {
    this.#hold = { point, ms, act };
  }

  /** The gate's: what a call waits for here. */
  heldAt(point: string): Promise<void> | null {
    const hold = this.#hold;
    if (hold?.point !== point) return null;
    this.#hold = null;
    hold.act();
    return new Promise((resolve) => {
      this.clock.after(hold.ms, resolve);
    });
  }

  /** Jobs, reviews and publications that have not ended; other histories last as long as the database. */
  openWork(): readonly HistorySnapshot[] {
    return this.store
      .open()
      .filter(
        (stored) => versionOf(stored).isWork(stored) || versionOf(stored).pendingEvidence(stored) !== null,
      );
  }

  start(): Promise<void> {
    void this.daemon.start();
    return this.untilIdle();
  }

  /** It happens in Gerrit, now; its stream says so to whoever listens. */
  emit(event: GerritEvent): void {
    const now = Math.floor(this.clock.now() / 1_000) * 1_000;
    const happened = 'at' in event && event.at === 0 ? { ...event, at: now } : event;
    this.past.say(happened);
    this.#undelivered.push(happened);
    this.#hear(this.daemon, happened);
  }

  /** Events that nobody has taken yet. */
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

  /** Everything happens that waits for nothing but this process. */
  async untilIdle(): Promise<void> {
    for (let still = 0, before = -1; still < QUIET_TURNS; still += 1) {
      if (before !== this.points.length) still = 0;
      before = this.points.length;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  /**
   * Time goes by until `enough`, by default until nothing is open. A daemon that died is started again. @throws when
   * that never comes
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
    throw new Error(`it never comes to rest: ${this.summary()}`);
  }

  get isIdle(): boolean {
    const { engine } = this.daemon;
    const { length } = this.openWork();
    const waits = this.store.waitingStarts().length > 0;
    return (
      this.#undelivered.length === 0 && engine.inFlight === 0 && length === 0 && !waits && this.#hasListened
    );
  }

  /** Nothing is being looked for that may have been missed. */
  get #hasListened(): boolean {
    const state = this.store.stored('stream')?.state ?? 'stopped';
    return state === 'up.listening' || state === 'stopped';
  }

  /** All jobs, oldest first. */
  jobs(): readonly JobView[] {
    return [...this.store.jobs({ limit: 1_000 })].reverse();
  }

  summary(): string {
    const owed = this.store.outbox().map(({ history, key }) => `${history} ${key}`);
    const states = this.openWork().map(({ history, state }) => `${history} ${state}`);
    return `${states.join(', ')}; owed: ${owed.join(', ')}; unheard: ${this.#undelivered.length}; lives: ${this.lives}`;
  }

  #hear(daemon: Daemon, event: GerritEvent): void {
    void daemon.hear(event).then((taken) => {
      if (taken) this.markDelivered([event]);
    });
  }
}
