/** One daemon of the lab: engine, admission and service as src/daemon.ts puts them together, behind one life's gate. */
import { Admission } from '../../src/engine/admission.ts';
import { recordCrash } from '../../src/engine/crash.ts';
import { Engine } from '../../src/engine/engine.ts';
import { Service } from '../../src/engine/service.ts';
import type { Append, Store } from '../../src/engine/store.ts';
import { Sweep } from '../../src/engine/sweep.ts';
import { currentWork } from '../../src/engine/work.ts';
import type { GerritEvent } from '../../src/machines/gerrit-event.ts';
import { nothingMissed } from '../fakes/catch-up.ts';
import { FakeGerritStream } from '../fakes/gerrit-stream.ts';
import { preparePlan, reportSpec } from '../machines/facts.ts';
import { jobRules, triggerRules } from '../machines/rule-facts.ts';
import { sha256 } from '../machines/simulator.ts';
import { Life } from './gate.ts';
import type { Lab } from './lab.ts';

export const DEPLOYMENT = 'lab-1';
const STORE_RETRY_MS = 2_000;
const SWEEP_INTERVAL_MS = 600_000;

export class Daemon {
  readonly life: Life;
  readonly engine: Engine;
  readonly admission: Admission;
  readonly service: Service;
  stream: FakeGerritStream | null = null;
  readonly #store: Store;
  readonly #lab: Lab;
  readonly #clock;

  constructor(lab: Lab) {
    const { log, options } = lab;
    this.#lab = lab;
    this.life = new Life(
      (point) => lab.reached(point),
      (point) => lab.heldAt(point),
    );
    this.#clock = this.life.clock(lab.clock);
    this.#store = this.life.store(lab.store, (batch) => lab.onDurable(batch));
    const [store, clock] = [this.#store, this.#clock];
    const bare = {
      providers: new Map([[lab.provider.name, lab.provider]]),
      catchUp: nothingMissed,
      changes: lab.changes,
      merger: lab.merger,
      source: lab.source,
      runner: lab.runner,
      evidence: lab.evidence,
      reviewer: lab.reviewer,
      alarms: lab.alarms,
      mailer: lab.mailer,
    };
    const world = this.life.world(options.bend?.(bare, lab) ?? bare);
    this.engine = new Engine({
      store,
      world,
      clock,
      hash: sha256,
      storeRetryMs: STORE_RETRY_MS,
      batchLimit: 256,
      strict: options.strict ?? true,
      onTrouble: (trouble) => this.service.troubled(trouble),
      onAppended: (batch: readonly Append[]) => {
        if (batch.length > 0) this.service.appended();
      },
      onFatal: (error) => this.#crash(error),
    });
    this.admission = new Admission({
      engine: this.engine,
      store,
      clock,
      alarms: world.alarms,
      log,
      newId: (kind) => lab.newId(kind),
      rules: triggerRules({ jobs: lab.specs.map(({ name }) => jobRules({ name })), ...options.rules }),
      specs: new Map(lab.specs.map((spec) => [spec.name, spec])),
      plan: preparePlan(options.plan),
      report: reportSpec(options.report),
      mail: options.mail ?? null,
      pipeline: 'check',
      deployment: DEPLOYMENT,
      queueLength: options.queueLength ?? 100,
      headStartsMs: options.headStartsMs ?? {},
      starts: options.starts ?? true,
    });
    this.service = new Service({
      engine: this.engine,
      store,
      admission: this.admission,
      sweep: new Sweep({
        providers: world.providers,
        merger: world.merger,
        store,
        alarms: world.alarms,
        log,
        deployment: DEPLOYMENT,
        clock,
        callTimeoutMs: 300_000,
      }),
      clock,
      alarms: world.alarms,
      log,
      intake: (listener) => {
        this.stream = new FakeGerritStream(listener);
        return this.stream;
      },
      identity: { pid: 1, startTicks: 1, startedAt: clock.now(), version: '0' },
      sweepIntervalMs: SWEEP_INTERVAL_MS,
    });
  }

  /** Resolves when it listens; never, when it dies before. */
  async start(): Promise<void> {
    await this.service.start();
    this.#lab.listening(this);
  }

  /** Hands over what Gerrit says. Resolves when it is safely stored; never, when this daemon dies before. */
  async hear(event: GerritEvent): Promise<boolean> {
    if (this.stream === null || !this.life.alive) return false;
    await this.stream.say(event);
    return this.life.alive;
  }

  /** As the real one: the last word is whose work it was, then it is gone. */
  #crash(error: unknown): void {
    if (!this.life.alive) return;
    const work = currentWork.getStore();
    this.#lab.crashes.push(error);
    this.engine.halt();
    void recordCrash(this.#store, this.#clock, sha256, work, error).then(() => this.life.end());
  }
}
