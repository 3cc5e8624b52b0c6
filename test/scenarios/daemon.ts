/** One daemon of the harness: engine, admission and service, assembled as in src/app/daemon.ts, with crash points. */
import { Admission } from '../../src/engine/intake/admission.ts';
import { EventIntake } from '../../src/engine/intake/event-intake.ts';
import { Lifecycle } from '../../src/engine/lifecycle.ts';
import { Engine } from '../../src/engine/loop/engine.ts';
import { recordCrash } from '../../src/engine/loop/record-crash.ts';
import { workContext } from '../../src/engine/loop/work-context.ts';
import { Archiving } from '../../src/engine/operations/archiving.ts';
import { Janitors } from '../../src/engine/operations/janitors.ts';
import { Retention } from '../../src/engine/operations/retention.ts';
import { Sweep } from '../../src/engine/operations/sweep.ts';
import type { CaughtUp, EffectOf } from '../../src/engine/ports/adapters.ts';
import type { LogEntry, Store } from '../../src/engine/ports/store.ts';
import type { CurrentChange, GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import type { StreamLimits } from '../../src/machines/protocol/events.ts';
import { activeJobs } from '../../src/machines/trigger/rules/active-jobs.ts';
import { FakeGerritStream } from '../fakes/gerrit-stream.ts';
import { ENGINE_BOUNDS } from '../fixtures/bounds.ts';
import { preparePlan, reportSpec } from '../machines/facts.ts';
import { jobRules, triggerRules } from '../machines/rule-facts.ts';
import { sha256 } from '../machines/simulator.ts';
import type { CiHarness } from './ci-harness.ts';
import { Life } from './gate.ts';

export const DEPLOYMENT = 'lab-1';
/** A secret that no row and no comment may contain. */
export const SECRET = 'correct-horse';
const STORE_RETRY_MS = 2_000;
const SWEEP_INTERVAL_MS = 600_000;
const STREAM_LIMITS: StreamLimits = {
  downAlarmMs: 600_000,
  catchUpTimeoutMs: 600_000,
  catchUpRetryMs: 5_000,
  catchUpRetryMaxMs: 300_000,
  catchUpAlarmAttempts: 5,
  catchUpAgainMs: 15_000,
};

export class Daemon {
  readonly life: Life;
  readonly engine: Engine;
  readonly admission: Admission;
  readonly events: EventIntake;
  readonly service: Lifecycle;
  readonly sweep: Sweep;
  readonly janitors: Janitors;
  stream: FakeGerritStream | null = null;
  readonly #store: Store;
  readonly #ci: CiHarness;
  readonly #clock;

  constructor(ci: CiHarness) {
    const { log, options } = ci;
    this.#ci = ci;
    this.life = new Life(
      (point) => ci.reached(point),
      (point) => ci.heldAt(point),
    );
    this.#clock = this.life.clock(ci.clock);
    this.#store = this.life.store(ci.store, (batch) => ci.onDurable(batch));
    const [store, clock] = [this.#store, this.#clock];
    const bare = {
      providers: new Map([[ci.provider.name, ci.provider]]),
      catchUp: { run: (request: EffectOf<'catchUp'>, signal: AbortSignal) => this.#catchUp(request, signal) },
      changes: ci.changes,
      merger: ci.merger,
      source: ci.source,
      runner: ci.runner,
      janitors: ci.janitors,
      evidence: ci.evidence,
      reviewer: ci.reviewer,
      alarms: ci.alarms,
      mailer: ci.mailer,
      activeJobs: (change: CurrentChange | null) => activeJobs(this.admission.settings, change),
      hide: (text: string) => text.replaceAll(SECRET, '[redacted]'),
    };
    const adapters = this.life.adapters(options.wrapAdapters?.(bare, ci) ?? bare);
    this.engine = new Engine({
      store,
      adapters,
      clock,
      hash: sha256,
      limits: {
        slots: { [ci.provider.name]: ci.provider.slots },
        ...{ jobs: {}, projects: {}, backends: options.backends ?? {} },
        starvationTimeoutMs: 0,
      },
      bounds: { ...ENGINE_BOUNDS, storeRetryMs: STORE_RETRY_MS },
      strict: options.strict ?? true,
      onStoreFailure: (trouble) => this.service.onStoreFailure(trouble),
      onAppended: (batch: readonly LogEntry[]) => {
        if (batch.length > 0) this.service.appended(batch);
      },
      onFatal: (error) => this.#crash(error),
    });
    this.admission = new Admission({
      engine: this.engine,
      store,
      clock,
      alarms: adapters.alarms,
      log,
      newId: (kind) => ci.newId(kind),
      rules: triggerRules({ jobs: ci.specs.map(({ name }) => jobRules({ name })), ...options.rules }),
      specs: new Map(ci.specs.map((spec) => [spec.name, spec])),
      plan: preparePlan(options.plan),
      report: reportSpec(options.report),
      mail: options.mail ?? null,
      pipeline: 'check',
      deployment: DEPLOYMENT,
      queueLength: options.queueLength ?? 100,
      headStartsMs: options.headStartsMs ?? {},
      starts: options.starts ?? true,
      onSlotsFree: () => this.events.findAgain(),
    });
    this.events = new EventIntake({
      store,
      engine: this.engine,
      admission: this.admission,
      clock,
      hash: sha256,
      limits: {
        overlapMs: 600_000,
        clockToleranceMs: 5_000,
        dedupRetentionMs: 7 * 86_400_000,
        maxOpenReviews: 10_000,
      },
      onGap: (why, changes) => this.service.gapped(why, changes),
    });
    this.sweep = new Sweep({
      engine: this.engine,
      providers: adapters.providers,
      merger: adapters.merger,
      evidence: adapters.evidence,
      store,
      alarms: adapters.alarms,
      log,
      hide: adapters.hide,
      deployment: DEPLOYMENT,
      clock,
      callTimeoutMs: 300_000,
    });
    this.janitors = new Janitors({
      ...{ engine: this.engine, store, clock, alarms: adapters.alarms, hide: adapters.hide, log },
      newId: (kind) => ci.newId(kind),
      definitions: options.definitions ?? [],
      starts: options.starts ?? true,
    });
    this.service = new Lifecycle({
      janitors: this.janitors,
      engine: this.engine,
      store,
      sweep: this.sweep,
      retention: new Retention({
        evidence: adapters.evidence,
        store,
        clock,
        log,
        hide: adapters.hide,
        deployment: DEPLOYMENT,
        keepMs: options.keepEvidenceMs ?? 0,
        archiving:
          options.keepHistoriesMs === undefined
            ? null
            : new Archiving({
                ...{ engine: this.engine, store, clock, hash: sha256, log },
                archive: this.life.archive(ci.archive),
                closedAmong: (changes, signal) => this.events.closedAmong(changes, signal),
                keepMs: options.keepHistoriesMs,
                maxBytes: options.maxArchiveBytes ?? Number.MAX_SAFE_INTEGER,
              }),
      }),
      admission: this.admission,
      clock,
      alarms: adapters.alarms,
      log,
      listening: {
        events: this.events,
        intake: (listener) => {
          this.stream = new FakeGerritStream(listener, 1_000, ci.past);
          return this.stream;
        },
        server: 'review.example.org:29418',
        limits: STREAM_LIMITS,
        since: null,
      },
      monitoring: options.monitoring === undefined ? null : { ...options.monitoring, metrics: ci.metrics },
      identity: { pid: 1, startTicks: 1, startedAt: clock.now(), version: '0' },
      sweepIntervalMs: SWEEP_INTERVAL_MS,
      pendingEvidenceBytes: options.pendingEvidenceBytes ?? 1_000_000,
    });
  }

  /** Resolves when it listens; never, if it dies before. */
  start(): Promise<void> {
    return this.service.start();
  }

  /** Delivers an event. Resolves when it is stored; never, if this daemon dies before. */
  async hear(event: GerritEvent): Promise<boolean> {
    if (this.stream === null || !this.life.alive) return false;
    await this.stream.say(event);
    return this.life.alive;
  }

  /** Events from before the query are delivered with its answer. */
  async #catchUp(request: EffectOf<'catchUp'>, signal: AbortSignal): Promise<CaughtUp> {
    const before = this.#ci.undeliveredEvents;
    const report = await this.events.run(request, signal);
    if (request.changes === null && this.life.alive) this.#ci.markDelivered(before);
    return report;
  }

  /** Like the real one: records the history that caused the crash, then exits. */
  #crash(error: unknown): void {
    if (!this.life.alive) return;
    const work = workContext.getStore();
    this.#ci.crashes.push(error);
    this.engine.halt();
    void recordCrash(this.#store, this.#clock, sha256, work, error).then(() => this.life.end());
  }
}
