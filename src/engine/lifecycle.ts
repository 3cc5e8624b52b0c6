/**
 * The daemon's life: recover, sweep, listen; drain or stop. Starting twice is an error, stopping twice is not. Stopping
 * leaves running stages running and everything unanswered owed; the next start takes both up.
 */
import type { Log } from '../log.ts';
import { versionOf } from '../machines/versions.ts';
import type { Admission } from './intake/admission.ts';
import { StreamService, type StreamServiceOptions } from './intake/stream-service.ts';
import type { Engine } from './loop/engine.ts';
import { recover } from './loop/recover.ts';
import { HealthMonitor, type HealthMonitorOptions } from './operations/health-monitor.ts';
import { openVoting } from './operations/open-voting.ts';
import { boundPublications } from './operations/publication-limit.ts';
import type { Sweep } from './operations/sweep.ts';
import type { Alarms, Clock } from './ports/adapters.ts';
import type { ConnectionsView, DaemonView, LogEntry, Store } from './ports/store.ts';

export interface LifecycleOptions {
  readonly engine: Engine;
  readonly store: Store;
  readonly sweep: Sweep;
  readonly admission: Pick<Admission, 'begin' | 'rest'>;
  readonly clock: Clock;
  readonly alarms: Alarms;
  readonly log: Log;
  readonly listening: Omit<StreamServiceOptions, 'engine' | 'store' | 'log' | 'onState'>;
  /** Null: nobody looks around. */
  readonly monitoring: Omit<
    HealthMonitorOptions,
    'engine' | 'store' | 'clock' | 'log' | 'alarms' | 'others'
  > | null;
  readonly identity: Pick<DaemonView, 'pid' | 'startTicks' | 'startedAt' | 'version'>;
  readonly sweepIntervalMs: number;
  /** Evidence of ended jobs that waits to be published. */
  readonly pendingEvidenceBytes: number;
  /** Our connections to Gerrit as they are now; the service wants to hear when they change. */
  readonly connections?: { readonly view: ConnectionsView; onChange: () => void };
}

type Mode = 'starting' | 'running' | 'draining' | 'stopped';

export class Lifecycle {
  private readonly options: LifecycleOptions;
  private readonly listening: StreamService;
  private readonly monitoring: HealthMonitor | null;
  private mode: Mode = 'starting';
  private started = false;
  private trouble: string | null = null;
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
    this.listening = new StreamService({ ...options.listening, engine, store, log, onState });
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
    if (this.started) throw new Error('a service starts once');
    this.started = true;
    if (this.mode === 'starting') this.mode = 'running';
    this.publish();
    await openVoting(engine, store);
    const recovered = await recover(engine, store);
    log.info({ ...recovered }, 'recovered');
    this.boundPublications();
    if (this.mode === 'stopped') return;
    this.scheduleSweep(0);
    if (this.mode === 'draining') {
      this.listening.rest();
      this.checkDrained();
    } else {
      await this.listening.start();
      this.monitoring?.start();
      if (this.mode === 'running') this.options.admission.begin();
    }
  }

  /** Takes nothing new; `drained` resolves when everything that holds a slot or posts has ended. Before `start`: nothing is begun at all. */
  async drain(): Promise<void> {
    if (this.mode !== 'running' && this.mode !== 'starting') return;
    const recovered = this.mode === 'running';
    this.mode = 'draining';
    this.options.admission.rest();
    this.options.engine.slots.stop();
    if (!recovered) return;
    this.publish();
    await this.monitoring?.stop();
    await this.listening.stop();
    // A slot that was granted just before is taken, and what it leads to is waited for.
    await this.options.engine.idle();
    this.checkDrained();
  }

  async stop(): Promise<void> {
    if (this.mode === 'stopped') return;
    this.mode = 'stopped';
    this.options.admission.rest();
    this.cancelSweep();
    await this.monitoring?.stop();
    await this.listening.stop();
    await this.options.sweep.stop();
    await this.options.engine.stop();
    if (this.started) this.options.engine.served.beat();
    this.stream = 'not connected';
    this.publish();
  }

  /** Something may have been missed while the connection stands; null: on any change. */
  gapped(why: string, changes: readonly number[] | null): void {
    this.listening.gapped(why, changes);
  }

  /** The engine appended something. */
  appended(batch: readonly LogEntry[]): void {
    this.options.engine.served.check();
    if (batch.some(({ row }) => row.type === 'publication.opened')) this.boundPublications();
    if (this.mode === 'draining') this.checkDrained();
  }

  /** Writing does not work, or (null) works again. */
  onStoreTrouble(trouble: { readonly message: string; readonly hint: string } | null): void {
    const { log, alarms } = this.options;
    if (trouble !== null) {
      this.trouble = `${trouble.message} (${trouble.hint})`;
      log.error(
        { hint: trouble.hint },
        `the event log cannot be written, nothing new is taken: ${trouble.message}`,
      );
    } else if (this.trouble !== null) {
      // Only now is there room to keep it where `sos-ci status` finds it.
      const message = `the event log could not be written for a while: ${this.trouble}`;
      const hint = 'everything continued; check that it does not happen again';
      void alarms.raise({ kind: 'storage-full', target: 'event log', message, hint });
      this.trouble = null;
      log.info({}, 'the event log can be written again: going on');
    }
    this.publish();
  }

  private boundPublications(): void {
    const { engine, log, pendingEvidenceBytes } = this.options;
    boundPublications(engine, pendingEvidenceBytes).catch((error: unknown) => {
      // What a stop cuts off is done at the next start.
      if (engine.ending) return;
      log.error({ err: error }, 'publications');
      throw error;
    });
  }

  /** What still has to end before a drained daemon may go: jobs that left the queue, and reviews that post. */
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
          // The store is closed under a sweep that a stop overtook.
          if (this.mode === 'stopped') return;
          log.error({ err: error }, 'sweep');
          throw error;
        },
      );
    });
  }

  /** What people see of the daemon is written again: its limits or connections have changed. */
  refresh(): void {
    if (this.started && this.mode !== 'stopped') this.publish();
  }

  private publish(): void {
    const { limits } = this.options.engine.slots;
    const mode = this.trouble === null || this.mode === 'stopped' ? this.mode : `degraded: ${this.trouble}`;
    const connections = this.options.connections?.view;
    this.options.store.setDaemon({
      ...this.options.identity,
      ...{ mode, stream: this.stream, limits },
      ...(connections === undefined ? {} : { connections }),
    });
  }
}
