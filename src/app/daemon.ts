/**
 * The composition root of the daemon: creates all parts from a configuration, starts them, and returns a handle that stops
 * them. Every run ends with an exit code.
 */

import { randomInt } from 'node:crypto';
import manifest from '../../package.json' with { type: 'json' };
import { systemClock } from '../adapters/clock/system.ts';
import { assertLoopbackGerrit } from '../adapters/local/loopback-guard.ts';
import { processStartTicks } from '../adapters/sqlite/lock.ts';
import type { Config } from '../config/config.ts';
import { Admission } from '../engine/intake/admission.ts';
import { EventIntake } from '../engine/intake/event-intake.ts';
import { idMaker } from '../engine/intake/ids.ts';
import { Lifecycle, type LifecycleOptions } from '../engine/lifecycle.ts';
import { Engine } from '../engine/loop/engine.ts';
import { recordCrash } from '../engine/loop/record-crash.ts';
import { workContext } from '../engine/loop/work-context.ts';
import type { AlarmMailer } from '../engine/operations/alarm-mailer.ts';
import { persistentAlarms } from '../engine/operations/alarm-sink.ts';
import { Janitors } from '../engine/operations/janitors.ts';
import { openVoting } from '../engine/operations/open-voting.ts';
import { ownerState } from '../engine/operations/owner-state.ts';
import { Retention } from '../engine/operations/retention.ts';
import { Sweep } from '../engine/operations/sweep.ts';
import type { Adapters, Alarms, CatchUp } from '../engine/ports/adapters.ts';
import type { LeakReport, Operator } from '../engine/ports/operator-api.ts';
import type { LogEntry, Store } from '../engine/ports/store.ts';
import type { Log, SecretValues } from '../log.ts';
import type { SlotLimits } from '../machines/slot-queue.ts';
import { activeJobs } from '../machines/trigger/rules/active-jobs.ts';
import { versionOf } from '../machines/versions.ts';
import { admissionSettings, type Overrides, slotLimits } from './admission-settings.ts';
import { type BuiltAdapters, buildAdapters, buildEventSources, type Wrappers } from './build-adapters.ts';
import { janitorDefinitions } from './build-janitors.ts';
import { createAlarmMailer } from './build-transports.ts';
import { createArchiving } from './create-archiving.ts';
import { sha256 } from './database-admin.ts';
import { OpenWork } from './open-work.ts';
import { OperatorControl } from './operator-control.ts';
import type { ReloadOptions } from './reload-config.ts';
import { logRow } from './row-log.ts';
import { StateDirectory } from './state-directory.ts';

export interface DaemonOptions extends Overrides {
  readonly log: Log;
  /** Secrets that the log redacts; default: those of the configuration. */
  readonly secrets?: SecretValues;
  /** Counts and decides events but starts no jobs. */
  readonly monitorOnly?: boolean;
  /** Catch up from this time, even if no daemon listened then. Epoch ms. */
  readonly since?: number;
  /** Finishes jobs that hold a slot and reviews that post, accepts nothing new, and exits. */
  readonly drain?: boolean;
  readonly wrappers?: Wrappers | null;
}

export interface RunningDaemon {
  /** Resolves with the exit code: 0 after a stop or a drain, 70 after a crash (sysexits.h, EX_SOFTWARE). */
  readonly stopped: Promise<number>;
  stop(): void;
  drain(): void;
  /** Reloads the configuration. */
  reload(who: string): void;
}

const EXIT_CRASHED = 70;

/** @throws OperationError when it cannot start: the lock is held, the database is a copy, untrusted code would run here */
export async function runDaemon(config: Config, options: DaemonOptions): Promise<RunningDaemon> {
  const daemon = new Daemon(config, options, () => {});
  // Before the start, so that no queued job gets a slot.
  if (options.drain === true) daemon.drain();
  await daemon.start({ listen: true });
  return daemon;
}

/** One running daemon: lock, store, engine, service, and their shutdown. */
export class Daemon implements RunningDaemon {
  readonly stopped: Promise<number>;
  private readonly config: Config;
  private readonly secrets: SecretValues;
  private readonly options: DaemonOptions;
  private readonly stateDirectory: StateDirectory;
  private readonly store: Store;
  private readonly alarms: Alarms;
  private readonly engine: Engine;
  private readonly admission: Admission;
  private readonly events: EventIntake;
  private readonly service: Lifecycle;
  private readonly sweep: Sweep;
  private readonly janitors: Janitors;
  private readonly control: OperatorControl;
  private readonly closeAdapters: () => Promise<void>;
  private resolveStopped: (code: number) => void = () => {};
  private rejectCrashed: (error: unknown) => void = () => {};
  private onNextAppend: () => void = () => {};
  private readonly newId = idMaker(() => randomInt(32));
  private closing = false;
  private crashing = false;
  private exitCode = 0;
  private readonly alarmMailer: AlarmMailer | null;

  constructor(config: Config, options: DaemonOptions, onAppend: (append: LogEntry) => void) {
    this.config = config;
    this.secrets = options.secrets ?? { values: config.redact };
    this.options = options;
    this.stopped = new Promise((resolve) => {
      this.resolveStopped = resolve;
    });
    const wrappers = options.wrappers ?? null;
    for (const provider of config.providers) {
      if (provider.type === 'local') assertLoopbackGerrit(config.gerrit.host, provider);
    }
    const { log } = options;
    this.stateDirectory = new StateDirectory(config.stateDir, wrappers, log);
    this.store = this.stateDirectory.store;
    this.alarms = persistentAlarms(this.store, systemClock, log, config.limits, () =>
      this.alarmMailer?.schedule(),
    );
    const { adapters, providers, connections, close } = this.buildAdapters(this.alarms, wrappers);
    this.closeAdapters = close;
    this.engine = this.buildEngine(adapters, slotLimits(config, providers.set), onAppend);
    const deployment = config.deployment ?? this.store.deployment();
    this.alarmMailer = createAlarmMailer(config, adapters, { store: this.store, log, deployment });
    this.admission = this.buildAdmission(adapters.alarms, deployment);
    this.events = new EventIntake({
      store: this.store,
      engine: this.engine,
      admission: this.admission,
      clock: systemClock,
      hash: sha256,
      limits: config.catchUp,
      onGap: (why, changes) => this.service.gapped(why, changes),
    });
    const { sweep, retention } = this.buildMaintenance(adapters, deployment);
    this.sweep = sweep;
    this.janitors = this.buildJanitors(adapters);
    const who = identity();
    this.control = this.buildControl(providers, who);
    this.service = new Lifecycle({
      engine: this.engine,
      store: this.store,
      sweep,
      retention,
      janitors: this.janitors,
      admission: this.admission,
      clock: systemClock,
      alarms: adapters.alarms,
      log,
      ...buildEventSources(config, { ...options, events: this.events, store: this.store, connections }),
      identity: who,
      sweepIntervalMs: config.limits.sweepIntervalMs,
      pendingEvidenceBytes: config.limits.maxPendingEvidenceBytes,
    });
  }

  /** @param listen false: runs only jobs started by hand; ignores open jobs and Gerrit's stream */
  async start({ listen }: { readonly listen: boolean }): Promise<void> {
    process.on('uncaughtException', this.crash);
    this.stateDirectory.scheduleIdentityCheck((alarm) => void this.alarms.raise(alarm));
    try {
      if (listen) {
        await this.service.start();
        this.alarmMailer?.schedule();
        await this.control.start();
      } else this.engine.served.begin();
    } catch (thrown) {
      // The caller gets no handle, so the parts that started must be closed here; they would keep the process and the lock.
      this.exitCode = EXIT_CRASHED;
      await this.close();
      throw thrown;
    }
    void this.service.drained.then(() => this.stop());
  }

  async startJob(patchset: Parameters<Admission['start']>[0], job: string): Promise<void> {
    await openVoting(this.engine, this.store);
    await this.admission.start(patchset, [job], `by-hand:${Date.now()}:${process.pid}`);
  }

  /** Removes what leaks, as the operator's work. */
  collectGarbage(operator: Operator): Promise<LeakReport> {
    return this.sweep.collectGarbage(operator);
  }

  /** What earlier daemons of this database left open. */
  get openWork(): OpenWork {
    return new OpenWork(this.store, this.engine.slots.limits);
  }

  /** Resolves when every review that this process opened has ended. */
  async reviewsEnded(): Promise<void> {
    while ([...this.engine.histories.values()].some((stored) => versionOf(stored).isWork(stored))) {
      await new Promise<void>((resolve) => {
        this.onNextAppend = resolve;
      });
    }
  }

  /** Rejects when the daemon crashes; never resolves. */
  crashed(): Promise<never> {
    return new Promise((_, reject) => {
      this.rejectCrashed = reject;
    });
  }

  stop(): void {
    void this.close();
  }

  drain(): void {
    void this.service.drain();
  }

  reload(who: string): void {
    this.control.reload({ who, why: '' }).catch((thrown: unknown) => {
      if (!this.closing) this.crash(thrown);
    });
  }

  private readonly crash = (error: unknown): void => {
    if (this.crashing) return;
    this.crashing = true;
    this.exitCode = EXIT_CRASHED;
    // Stops the engine first: later failures follow from this one, and the crash record must be the next row.
    this.engine.halt();
    this.rejectCrashed(error);
    const work = workContext.getStore();
    this.options.log.error({ err: error, ...work }, 'the daemon crashes');
    void recordCrash(this.store, systemClock, sha256, work, error).then(() => this.close());
  };

  private async close(): Promise<void> {
    if (this.closing) return;
    this.closing = true;
    // A part that does not close must not block the exit: everything pending is in the log.
    const cancelTimeout = systemClock.after(this.config.limits.shutdownTimeoutMs, () =>
      this.resolveStopped(this.exitCode),
    );
    try {
      await this.control.stop();
      await this.service.stop();
      await this.alarmMailer?.stop();
      await this.closeAdapters();
    } catch (thrown) {
      this.options.log.error({ err: thrown }, 'closing');
    }
    cancelTimeout();
    process.off('uncaughtException', this.crash);
    this.stateDirectory.close();
    this.resolveStopped(this.exitCode);
  }

  private buildEngine(adapters: Adapters, limits: SlotLimits, onAppend: (append: LogEntry) => void): Engine {
    const { config, options } = this;
    return new Engine({
      store: this.store,
      adapters,
      clock: systemClock,
      hash: sha256,
      limits,
      bounds: config.limits,
      strict: false,
      onStoreFailure: (trouble) => this.service.onStoreFailure(trouble),
      onAppended: (batch) => {
        for (const append of batch) {
          logRow(options.log, append);
          onAppend(append);
        }
        this.service.appended(batch);
        this.control.onAppended();
        this.onNextAppend();
      },
      onFatal: this.crash,
    });
  }

  private buildAdapters(alarms: Alarms, wrappers: Wrappers | null): BuiltAdapters {
    const { config, options, secrets } = this;
    const catchUp: CatchUp = { run: (request, signal) => this.events.run(request, signal) };
    const activeJobsFor: Adapters['activeJobs'] = (change) => activeJobs(this.admission.settings, change);
    const holdsSlot = (job: string) => !this.closing && ownerState(this.store, { job }) === 'living';
    const { slots } = options;
    return buildAdapters(config, slots, alarms, catchUp, activeJobsFor, wrappers, secrets, holdsSlot);
  }

  private buildMaintenance(
    adapters: Adapters,
    deployment: string,
  ): Pick<LifecycleOptions, 'sweep' | 'retention'> {
    const { config, options, engine, store } = this;
    const common = {
      store,
      log: options.log,
      hide: adapters.hide,
      evidence: adapters.evidence,
      deployment,
      clock: systemClock,
    };
    return {
      sweep: new Sweep({
        ...common,
        engine,
        providers: adapters.providers,
        merger: adapters.merger,
        alarms: adapters.alarms,
        callTimeoutMs: config.limits.sweepTimeoutMs,
      }),
      retention: new Retention({
        ...common,
        keepMs: config.logs.keepMs,
        archiving: createArchiving(config, this.events, engine, store, options.log),
      }),
    };
  }

  private buildJanitors({ alarms, hide }: Adapters): Janitors {
    const { config, options, engine, store } = this;
    return new Janitors({
      ...{ engine, store, alarms, hide, newId: this.newId, clock: systemClock, log: options.log },
      definitions: janitorDefinitions(config),
      starts: options.monitorOnly !== true,
    });
  }

  private buildControl(
    providers: ReloadOptions['providers'],
    who: ReturnType<typeof identity>,
  ): OperatorControl {
    const { config, options, engine, admission, store } = this;
    return new OperatorControl({
      config,
      overrides: options,
      secrets: this.secrets,
      log: options.log,
      engine,
      admission,
      providers,
      store,
      sweep: this.sweep,
      janitors: this.janitors,
      clock: systemClock,
      identity: who,
      onLimits: () => this.service.refresh(),
    });
  }

  private buildAdmission(alarms: Adapters['alarms'], deployment: string): Admission {
    const { config, options, engine, store } = this;
    return new Admission({
      ...admissionSettings(config, options),
      engine,
      store,
      clock: systemClock,
      alarms,
      log: options.log,
      newId: this.newId,
      deployment,
      starts: !(options.monitorOnly ?? false),
      onSlotsFree: () => this.events.findAgain(),
    });
  }
}

/** Identifies this process, so that readers of the database can check whether it runs. */
function identity() {
  return {
    pid: process.pid,
    startTicks: processStartTicks(process.pid),
    startedAt: Date.now(),
    version: manifest.version,
  };
}
