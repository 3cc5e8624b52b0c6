/** Lists and removes leaks while no daemon runs, with the configured providers. */

import { systemClock } from '../adapters/clock/system.ts';
import { openReader } from '../adapters/sqlite/reader.ts';
import type { Config } from '../config/config.ts';
import { findLeaks } from '../engine/operations/find-leaks.ts';
import { firstReport } from '../engine/operations/sweep.ts';
import type { LeakReport, Operator } from '../engine/ports/operator-api.ts';
import type { Log } from '../log.ts';
import { buildAdapters } from './build-adapters.ts';
import { Daemon } from './daemon.ts';
import { databaseFile } from './database-admin.ts';

const NEVER = new AbortController().signal;

/** Changes nothing, so it needs no lock. */
export async function listLeaks(config: Config): Promise<LeakReport> {
  const secrets = { values: config.redact };
  const noAlarms = { raise: async () => {} };
  const noCatchUp = { run: () => Promise.reject(new Error('nothing listens to Gerrit')) };
  const { adapters, close } = buildAdapters(config, undefined, noAlarms, noCatchUp, () => [], null, secrets);
  const store = openReader(databaseFile(config.stateDir));
  try {
    const { providers, evidence, hide } = adapters;
    const deployment = config.deployment ?? store.deployment();
    const callTimeoutMs = config.limits.sweepTimeoutMs;
    const options = { providers, evidence, hide, store, deployment, clock: systemClock, callTimeoutMs };
    return firstReport(await findLeaks(options, NEVER), store, Date.now());
  } finally {
    store.close();
    await close();
  }
}

/** Holds the daemon's lock meanwhile. Does not continue open jobs. @throws LockHeld */
export async function collectGarbage(config: Config, operator: Operator, log: Log): Promise<LeakReport> {
  const daemon = new Daemon(config, { log }, () => {});
  await daemon.start({ listen: false });
  try {
    return await Promise.race([daemon.collectGarbage(operator), daemon.crashed()]);
  } finally {
    daemon.stop();
    await daemon.stopped;
  }
}
