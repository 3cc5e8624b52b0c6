/** From the checked keys of `limits` and `logs` to what the daemon's parts get. */
import { join } from 'node:path';
import type { Config } from './config.ts';
import type { ConfigFile } from './schema.ts';
import type { ServiceLimits } from './service-limits.ts';

export function buildServiceLimits(limits: ConfigFile['limits']): ServiceLimits {
  return {
    queueLength: limits.queueLength,
    queuePatienceMs: limits.queuePatience,
    inboxEvents: limits.inboxEvents,
    batch: limits.batch,
    shutdownMs: limits.shutdown,
    sweepIntervalMs: limits.sweepInterval,
    sweepTimeoutMs: limits.sweepTimeout,
    storeRetryMs: limits.storeRetry,
    alarmQuietMs: limits.alarmQuiet,
    alarms: limits.alarms,
    controlClients: limits.controlClients,
    controlTimeoutMs: limits.controlTimeout,
    restMs: limits.rest,
    abortGraceMs: limits.abortGrace,
    deleteRounds: limits.deleteRounds,
    stopGraceMs: limits.stopGrace,
    stopKillMs: limits.stopKill,
    deleteGraceMs: limits.deleteGrace,
    deleteKillMs: limits.deleteKill,
    startTimeoutMs: limits.startTimeout,
    endingTimeoutMs: limits.endingTimeout,
    pendingEvidenceBytes: limits.pendingEvidence,
    resultsBytes: limits.results,
  };
}

export function buildLogs(
  logs: ConfigFile['logs'],
  stateDir: string,
  path: (path: string) => string,
): Config['logs'] {
  const { dir, url, fileLimit, entries, depth, listed } = logs;
  return {
    dir: dir === null ? join(stateDir, 'logs') : path(dir),
    url,
    limits: { fileBytes: fileLimit, entries, depth, listed },
  };
}
