/**
 * The invariants at the end of every story, after any number of crashes: checked in the fakes, and by replaying the
 * log. Each violation is reported as a sentence.
 */
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { verifyLog } from '../../src/engine/operations/verify-log.ts';
import { sha256 } from '../machines/simulator.ts';
import type { CiHarness } from './ci-harness.ts';
import { DEPLOYMENT } from './daemon.ts';

const scratch = openStore(':memory:');

export function violations(ci: CiHarness): readonly string[] {
  return [...externalViolations(ci), ...logViolations(ci)];
}

/** The quick half, without a replay. */
export function externalViolations(ci: CiHarness): readonly string[] {
  const { provider, runner, janitors, reviewer, evidence } = ci;
  const found: string[] = [];
  const left = provider.servers().filter(({ owner }) => owner.deployment === DEPLOYMENT);
  if (left.length > 0) found.push(`servers left: ${left.map(({ server }) => server.name).join(', ')}`);
  if (provider.peak > provider.slots) found.push(`${provider.peak} servers at a time`);
  found.push(...overusedBackends(ci));
  if (runner.running().length > 0) found.push(`${runner.running().length} stages still run`);
  for (const run of janitors.running()) found.push(`janitor still runs: ${run}`);
  const runs = reviewer.posted.map(({ run }) => run);
  if (new Set(runs).size < runs.length) found.push(`posted twice: ${runs.join(', ')}`);
  if (evidence.staged.size > 0) found.push(`evidence left on this host: ${[...evidence.staged.keys()]}`);
  if (ci.undelivered > 0) found.push(`${ci.undelivered} events lost`);
  for (const { history, state } of ci.openWork()) found.push(`${history} is open in ${state}`);
  for (const { id, state } of ci.jobs()) if (state !== 'done') found.push(`${id} ended as ${state}`);
  for (const { history, key } of ci.store.outbox()) found.push(`${history} has pending ${key}`);
  return found;
}

/** Back ends that more jobs used at a time than allowed. */
function overusedBackends({ store, specs, options: { backends = {} } }: CiHarness): readonly string[] {
  const using = new Map<string, readonly string[]>();
  const found = new Set<string>();
  for (const { history, type, state } of Object.keys(backends).length === 0 ? [] : store.log()) {
    const name = store.job(history)?.name;
    if (type === 'slot.granted') using.set(history, specs.find((spec) => spec.name === name)?.backends ?? []);
    if (state === 'done' || state === 'cleanup.discarding') using.delete(history);
    for (const [backend, limit] of Object.entries(backends)) {
      const jobs = [...using.values()].filter((used) => used.includes(backend)).length;
      if (jobs > limit) found.add(`${jobs} jobs use ${backend} at a time`);
    }
  }
  return [...found];
}

function logViolations(ci: CiHarness): readonly string[] {
  const found: string[] = [];
  const { differences, views } = verifyLog(ci.store, scratch, sha256);
  for (const { history, version, field } of differences)
    found.push(`${history}/${version}: ${field} differs`);
  return [...found, ...views];
}
