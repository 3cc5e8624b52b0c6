/**
 * Checks the host, the database and our reports at an interval while a daemon runs, and raises an alarm once for each
 * problem and once for its end. Known problems are one record in the database, so a restart raises no alarm again.
 */
import type { Log } from '../../log.ts';
import type { HealthLimits, HealthSnapshot } from '../../machines/model/health-snapshot.ts';
import { versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';
import type { Alarms, Clock, HostMetrics } from '../ports/adapters.ts';
import type { Store } from '../ports/store.ts';
import { evaluate } from './health-checks.ts';

export interface HealthMonitorOptions {
  readonly engine: Pick<Engine, 'histories'>;
  readonly store: Store;
  readonly clock: Clock;
  readonly log: Log;
  readonly alarms: Alarms;
  readonly metrics: HostMetrics;
  readonly limits: HealthLimits;
  readonly intervalMs: number;
  /** False: this daemon posts nothing, so missing reports are not a problem. */
  readonly reports: boolean;
  /** Number of other CIs' reports so far, on changes that our rules cover. */
  readonly others: () => number;
}

/** How long stream activity is kept, as a multiple of the time that may pass without a report. */
const ACTIVITY_KEPT = 4;

export class HealthMonitor {
  private readonly options: HealthMonitorOptions;
  private stopped = false;
  private checking: Promise<void> = Promise.resolve();
  private cancelCheck: () => void = () => {};
  /** The previous check: wall clock, monotonic time, and the number of other CIs' reports until then. */
  private before: { readonly at: number; readonly mark: number; readonly others: number } | null = null;

  constructor(options: HealthMonitorOptions) {
    this.options = options;
  }

  /** Checks immediately, and then at each interval. */
  start(): void {
    this.checkLater(0);
  }

  /** Idempotent. No check runs after it resolves. */
  async stop(): Promise<void> {
    this.stopped = true;
    this.cancelCheck();
    await this.checking;
  }

  private checkLater(delayMs: number): void {
    if (this.stopped) return;
    this.cancelCheck = this.options.clock.after(delayMs, () => {
      this.checking = this.check().then(() => this.checkLater(this.options.intervalMs));
    });
  }

  private async check(): Promise<void> {
    const { metrics, store, limits, log, clock, alarms } = this.options;
    const host = await metrics.read();
    if (this.stopped) return;
    const snapshot: HealthSnapshot = { ...host, reports: this.peerActivity() };
    const known = store.health()?.problems ?? [];
    const { begun, over } = evaluate(snapshot, limits, known);
    log.debug({ ...snapshot }, 'health checked');
    for (const { kind, target, recovered } of over)
      await alarms.raise({ kind, target, message: recovered, hint: '', cleared: true });
    for (const { kind, target, message, hint } of begun) await alarms.raise({ kind, target, message, hint });
    const ended = new Set(over.map(({ topic }) => topic));
    const since = clock.now();
    const problems = [
      ...known.filter(({ topic }) => !ended.has(topic)),
      ...begun.map((problem) => ({ ...problem, since })),
    ];
    store.setHealth({ limits, problems });
  }

  /** Stores the stream's activity since the previous check, and adds up the activity since our newest report. */
  private peerActivity(): HealthSnapshot['reports'] {
    const { clock, store, limits, reports } = this.options;
    const now = { at: clock.now(), mark: clock.monotonic(), others: this.options.others() };
    const { before } = this;
    // Reports before the first check count for the time after it.
    this.before = before === null ? { ...now, others: 0 } : now;
    if (!reports) return null;
    if (before !== null) {
      const listenedMs = Math.round(Math.min(now.mark - before.mark, this.upMs(now.at)));
      const others = listenedMs === 0 ? 0 : now.others - before.others;
      if (listenedMs > 0)
        store.recordPeerActivity(
          { begunAt: before.at, listenedMs, others },
          now.at - ACTIVITY_KEPT * limits.maxSilenceMs,
        );
    }
    return store.reportActivity();
  }

  /** How long the stream has been connected; 0 while it is not. */
  private upMs(now: number): number {
    const stream = this.options.engine.histories.get('stream');
    const upSince = stream === undefined ? null : (versionOf(stream).streamStatus(stream)?.upSince ?? null);
    return upSince === null ? 0 : Math.max(0, now - upSince);
  }
}
