/**
 * Starts, drains and stops the daemon. A start recovers, sweeps, then listens. Starting twice is an error; stopping
 * twice is not. A stop leaves running stages running and unsettled effects pending; the next start resumes both.
 */
import type { Log } from '../log.ts';
import { versionOf } from '../machines/versions.ts';
import type { Admission } from './intake/admission.ts';
import { StreamService, type StreamServiceOptions } from './intake/stream-service.ts';
import type { Engine } from './loop/engine.ts';
import { recover } from './loop/recover.ts';
import { HealthMonitor, type HealthMonitorOptions } from './operations/health-monitor.ts';
import type { Janitors } from './operations/janitors.ts';
import { openVoting } from './operations/open-voting.ts';
import { boundPublications } from './operations/publication-limit.ts';
import type { Retention } from './operations/retention.ts';
import type { Sweep } from './operations/sweep.ts';
import type { Alarms, Clock } from './ports/adapters.ts';
import type { ConnectionsView, DaemonView, LogEntry, Store } from './ports/store.ts';

export interface LifecycleOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly sweep: Sweep;
  readonly retention: Pick<Retention, 'start' | 'stop'>;
  readonly janitors: Pick<Janitors, 'recover' | 'start' | 'stop' | 'appended' | 'views'>;
  readonly admission: Pick<Admission, 'begin' | 'pause'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly listening: Omit<StreamServiceOptions, 'engine' | 'store' | 'clock' | 'log' | 'onState'>;
  /** Null: no health monitoring. */
  readonly monitoring: Omit<
    HealthMonitorOptions,
    'engine' | 'store' | 'clock' | 'log' | 'alarms' | 'others'
  > | null;
  readonly identity: Pick<DaemonView, 'pid' | 'startTicks' | 'startedAt' | 'version'>;
  readonly sweepIntervalMs: number;
  /** Limit on the evidence of ended jobs that waits for publication. */
  readonly pendingEvidenceBytes: number;
  /** The current connections to Gerrit. `Lifecycle` sets `onChange` to be notified when they change. */
  readonly connections?: { readonly view: ConnectionsView; onChange: () => void };
}

type Mode = 'starting' | 'running' | 'draining' | 'stopped';

export class Lifecycle {
  private readonly options: LifecycleOptions;
  private readonly listening: StreamService;
  private readonly monitoring: HealthMonitor | null;
  private mode: Mode = 'starting';
  private started = false;
  private storeFailure: string | null = null;
  private stream = 'not connected';
  private cancelSweep: () => void = () => {};
  private resolveDrained: () => void = () => {};
  /** Resolves when a drain has nothing left to finish. */
  readonly drained: Promise<void>;

  constructor(options: LifecycleOptions) {
    this.options = options;
    const { engine, store, clock, log } = options;
    const onState = (text: string) => {
      this.stream = text;
      this.publish();
    };
    this.listening = new StreamService({ ...options.listening, engine, store, clock, log, onState });
    const others = () => options.listening.events.reportsOfOthers;
    this.monitoring =
      options.monitoring === null
        ? null
        : new HealthMonitor({
            ...options.monitoring,
            engine,
            store,
            clock,
            log,
            alarms: options.alarms,
            others,
          });
    if (options.connections !== undefined) options.connections.onChange = () => this.refresh();
    this.drained = new Promise((resolve) => {
      this.resolveDrained = resolve;
    });
  }

  async start(): Promise<void> {
    const { engine, store, log } = this.options;
    if (this.started) throw new Error('the daemon was already started');
    this.started = true;
    if (this.mode === 'starting') this.mode = 'running';
    this.publish();
    await openVoting(engine, store);
    const recovered = await recover(engine, store);
    log.info({ ...recovered }, 'recovered');
    this.boundPublications();
    if (this.mode === 'stopped') return;
    this.options.janitors.recover();
    this.scheduleSweep(0);
    this.options.retention.start();
    if (this.mode === 'draining') {
      this.listening.recordStopped();
      this.checkDrained();
    } else {
      await this.listening.start();
      this.monitoring?.start();
      if (this.mode !== 'running') return;
      this.options.admission.begin();
      this.options.janitors.start();
    }
  }

  /**
   * Accepts no new work; `drained` resolves when every job that holds a slot and every posting review has ended. Before
   * `start`: no work begins at all.
   */
  async drain(): Promise<void> {
    if (this.mode !== 'running' && this.mode !== 'starting') return;
    const recovered = this.mode === 'running';
    this.mode = 'draining';
    this.options.admission.pause();
    this.options.engine.slots.stop();
    if (!recovered) return;
    this.publish();
    await this.options.janitors.stop();
    await this.monitoring?.stop();
    await this.listening.stop();
    // A slot granted just before the drain is used; the drain waits for that job too.
    await this.options.engine.idle();
    this.checkDrained();
  }

  async stop(): Promise<void> {
    if (this.mode === 'stopped') return;
    this.mode = 'stopped';
    this.options.admission.pause();
    this.cancelSweep();
    await this.options.janitors.stop();
    await this.monitoring?.stop();
    await this.listening.stop();
    await this.options.sweep.stop();
    await this.options.retention.stop();
    await this.options.engine.stop();
    if (this.started) this.options.engine.served.beat();
    this.stream = 'not connected';
    this.publish();
  }

  /** Events may have been missed while the connection is up; `changes` null: for any change. */
  gapped(why: string, changes: readonly number[] | null): void {
    this.listening.gapped(why, changes);
  }

  /** Called after each durable batch. */
  appended(batch: readonly LogEntry[]): void {
    this.options.engine.served.check();
    this.options.sweep.appended(batch);
    this.options.janitors.appended(batch);
    if (batch.some(({ row }) => row.type === 'publication.opened')) this.boundPublications();
    if (this.mode === 'draining') this.checkDrained();
  }

  /** Called when writing fails, and with null when it works again. */
  onStoreFailure(storeFailure: { readonly message: string; readonly hint: string } | null): void {
    const { log, alarms } = this.options;
    if (storeFailure !== null) {
      this.storeFailure = `${storeFailure.message} (${storeFailure.hint})`;
      log.error(
        { hint: storeFailure.hint },
        `the event log cannot be written, no new work is accepted: ${storeFailure.message}`,
      );
    } else if (this.storeFailure !== null) {
      // The database is writable again only now, so the alarm is stored for `sos-ci status`.
      const message = `the event log could not be written for a while: ${this.storeFailure}`;
      const hint = 'work has resumed; find the cause, so that it does not happen again';
      void alarms.raise({ kind: 'storage-full', target: 'event log', message, hint });
      this.storeFailure = null;
      log.info({}, 'the event log can be written again: continuing');
    }
    this.publish();
  }

  private boundPublications(): void {
    const { engine, log, pendingEvidenceBytes } = this.options;
    boundPublications(engine, pendingEvidenceBytes).catch((error: unknown) => {
      // The next start completes what a stop interrupts.
      if (engine.ending) return;
      log.error({ err: error }, 'publications');
      throw error;
    });
  }

  /** Checks what must end before a drained daemon may exit: jobs that left the queue, and reviews that post. */
  private checkDrained(): void {
    for (const stored of this.options.engine.histories.values()) {
      if (versionOf(stored).blocksDrain(stored)) return;
    }
    this.resolveDrained();
  }

  private scheduleSweep(delayMs: number): void {
    const { engine, clock, sweep, sweepIntervalMs, log } = this.options;
    this.cancelSweep = clock.after(delayMs, () => {
      engine.served.beat();
      sweep.run().then(
        () => {
          if (this.mode !== 'stopped') this.scheduleSweep(sweepIntervalMs);
        },
        (error: unknown) => {
          // A stop during the sweep closes the store.
          if (this.mode === 'stopped') return;
          log.error({ err: error }, 'sweep');
          throw error;
        },
      );
    });
  }

  /** Publishes the daemon's view again after its limits or connections have changed. */
  refresh(): void {
    if (this.started && this.mode !== 'stopped') this.publish();
  }

  private publish(): void {
    const { limits } = this.options.engine.slots;
    const mode =
      this.storeFailure === null || this.mode === 'stopped' ? this.mode : `degraded: ${this.storeFailure}`;
    const connections = this.options.connections?.view;
    this.options.store.setDaemon({
      ...this.options.identity,
      ...{ mode, stream: this.stream, limits, janitors: this.options.janitors.views },
      ...(connections === undefined ? {} : { connections }),
    });
  }
}
