/**
 * The invariants of every history, in one place; each violation is reported as a sentence. They are checked for
 * hand-written stories and for generated ones.
 */

import type { JobReport, JobSpec, StageEnd } from '../../src/machines/model/domain.ts';
import type { JanitorSpec } from '../../src/machines/model/janitor.ts';
import type { ReportSpec } from '../../src/machines/model/report-spec.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import type { HistorySnapshot, LogRow } from '../../src/machines/protocol/row.ts';
import { replayHistory } from '../../src/machines/replay.ts';
import { versionOf } from '../../src/machines/versions.ts';
import { type Simulator, sha256 } from './simulator.ts';

/** The invariants that a simulation violates. */
export function invariantViolations(simulator: Simulator): readonly string[] {
  return [...simulator.stored.values()].flatMap((stored) => {
    const rows = simulator.rowsOf(stored.history);
    const violations = [
      ...historyViolations(rows),
      ...(stored.machine === 'job@1' ? jobViolations(rows, stored, simulator) : []),
      ...(stored.machine === 'review@1' ? reviewViolations(rows) : []),
      ...(stored.machine === 'hold@1' ? holdViolations(rows, stored) : []),
      ...(stored.machine === 'janitor@1' ? cleaningViolations(rows, stored) : []),
      ...(stored.machine === 'stream@1' ? streamViolations(rows) : []),
    ];
    return violations.map((what) => `${stored.history}: ${what}`);
  });
}

/** Rows for which a strict replay computes another result. */
export function differences(simulator: Simulator): readonly string[] {
  return [...simulator.rows.values()].flatMap((rows) => {
    const { difference } = replayHistory(rows, sha256);
    return difference === null ? [] : [JSON.stringify(difference)];
  });
}

/** Rows whose event no state handled: a real daemon must not write any. */
export function ignored(simulator: Simulator): readonly string[] {
  return [...simulator.rows.values()]
    .flat()
    .filter((row) => row.outcome === 'ignored')
    .map((row) => `${row.history}/${row.version} ${row.type} in ${row.state}`);
}

function historyViolations(rows: readonly LogRow[]): readonly string[] {
  const violations: string[] = [];
  const known = new Set<string>();
  const pending = new Map<string, KeyedEffect>();
  let ended = false;
  rows.forEach((row, index) => {
    if (row.version !== index + 1) violations.push(`version ${row.version} at position ${index + 1}`);
    if (index > 0 && row.at < (rows[index - 1]?.at ?? 0)) violations.push(`time went back at ${row.version}`);
    if (row.settles !== null) pending.delete(row.settles);
    for (const effect of row.effects) {
      if (effect.type === 'sendEvent') continue;
      if (effect.type === 'cancelEffect') {
        const type = pending.get(effect.key)?.type;
        if (type !== 'setTimer' && type !== 'acquireSlot' && type !== 'catchUp')
          violations.push(`withdrew ${effect.key}, a ${type}`);
        pending.delete(effect.key);
        continue;
      }
      if (known.has(effect.key)) violations.push(`requested ${effect.key} twice`);
      known.add(effect.key);
      pending.set(effect.key, effect);
    }
    const timers = [...pending.values()].filter((effect) => effect.type === 'setTimer');
    if (timers.length > 1) violations.push(`${timers.length} timers at ${row.version}`);
    if (ended && row.state !== rows[index - 1]?.state)
      violations.push(`moved after its end at ${row.version}`);
    ended ||= row.state === 'done' || row.state === 'parked';
    if (ended && timers.length > 0) violations.push(`a timer after its end at ${row.version}`);
    if (row.outcome !== 'moved' && row.effects.length > 0) violations.push(`${row.outcome} row with effects`);
  });
  return violations;
}

function jobViolations(
  rows: readonly LogRow[],
  stored: HistorySnapshot,
  simulator: Simulator,
): readonly string[] {
  const spec = rows[0]?.data.spec as JobSpec;
  const violations: string[] = [];
  const count = (test: (effect: LogRow['effects'][number]) => boolean) =>
    rows.flatMap((row) => row.effects).filter(test).length;
  const reports = rows.flatMap(sentReports);
  if (reports.length > 1) violations.push('reported to the review twice');
  if (stored.ended && reports.length !== 1)
    violations.push(`ended with ${reports.length} reports to the review`);
  for (const report of reports) violations.push(...reportViolations(report, rows, spec));
  if (count((effect) => effect.type === 'createServer') > spec.limits.setupAttempts)
    violations.push('more servers than attempts');
  if (count((effect) => effect.type === 'runStage' && effect.run.stage === 'testing') > 1)
    violations.push('tested twice');
  if (count((effect) => effect.type === 'publishEvidence') > spec.limits.publishAttempts)
    violations.push('published too often');
  if (stored.state === 'done') violations.push(...doneJobViolations(rows, stored, simulator));
  const times = (type: string) => rows.filter((row) => row.type === type).length;
  const enough =
    times('machine.failed') >= 2 || times('daemon.crashed') >= 2 || times('machine.quarantine-failed') > 0;
  if (stored.state === 'parked' && !enough) violations.push('parked without a cause');
  return violations;
}

function sentReports(row: LogRow): readonly JobReport[] {
  return row.effects.flatMap((effect) =>
    effect.type === 'sendEvent' && effect.event.type === 'job.reported' ? [effect.event.report] : [],
  );
}

function reportViolations(report: JobReport, rows: readonly LogRow[], spec: JobSpec): readonly string[] {
  const violations: string[] = [];
  const moved = rows.filter((row) => row.outcome === 'moved');
  const failedTests = moved.some(
    (row) => row.type === 'results.read' && (row.data.results as { failed: number }).failed > 0,
  );
  const badExit = moved.some((row) => {
    const end = row.data.end as StageEnd | undefined;
    return (
      row.type === 'stage.exited' && row.data.stage === 'testing' && end?.how === 'exited' && end.code > 0
    );
  });
  if (report.verdict === 'FAILURE' && !failedTests && !(spec.exitCodeIsResult && badExit))
    violations.push('FAILURE without results or a declared exit code');
  if (report.verdict === 'SUCCESS' && report.url === null) violations.push('SUCCESS without evidence');
  if (report.verdict !== 'SUCCESS' && report.reason === '')
    violations.push(`${report.verdict} without a reason`);
  return violations;
}

function doneJobViolations(
  rows: readonly LogRow[],
  stored: HistorySnapshot,
  simulator: Simulator,
): readonly string[] {
  const violations: string[] = [];
  if (!rows.some((row) => row.state.startsWith('cleanup'))) violations.push('done without cleanup');
  const leaked = rows.some((row) =>
    row.effects.some((effect) => effect.type === 'raiseAlarm' && effect.alarm.kind === 'server-leaked'),
  );
  if (leaked) return violations;
  const handedOver = rows.some((row) => row.type === 'server.handed-over' && row.outcome === 'moved');
  const last = rows.findLast((row) => row.type === 'server.deleted' && row.outcome === 'moved');
  const end = rows.find((row) => row.state === 'cleanup.discarding');
  if (!handedOver && (last === undefined || last.version < (end?.version ?? 0)))
    violations.push('done without a deletion');
  const evidenceLeft = rows.some((row) =>
    row.effects.some((effect) => effect.type === 'raiseAlarm' && effect.alarm.kind === 'evidence-leaked'),
  );
  const left = Object.values(stored.pending).filter(
    ({ type }) => type !== 'raiseAlarm' && !(type === 'discardEvidence' && evidenceLeft),
  );
  if (left.length > 0)
    violations.push(`done while ${left.map((effect) => effect.key).join(', ')} is pending`);
  if (!handedOver && [...simulator.servers].some((name) => name.includes(stored.history)))
    violations.push('done with a server left');
  const late = rows.findLast((row) => row.type === 'server.active' && row.outcome === 'moved');
  if (late !== undefined && !handedOver) {
    const after = rows
      .slice(late.version - 1)
      .some((row) => row.effects.some((effect) => effect.type === 'deleteServer'));
    if (!after) violations.push('a server appeared and no deletion followed');
  }
  return violations;
}

/** A server that was handed over is deleted, or an alarm says that it is left. */
function holdViolations(rows: readonly LogRow[], stored: HistorySnapshot): readonly string[] {
  const violations: string[] = [];
  const has = (type: string) => rows.some((row) => row.type === type && row.outcome === 'moved');
  const offers = rows.filter((row) =>
    row.effects.some((effect) => effect.type === 'sendEvent' && effect.event.type === 'server.handed-over'),
  );
  if (new Set(offers.map(({ data }) => data.job)).size > 1) violations.push('took the servers of two jobs');
  const raised = rows.some((row) => row.effects.some((effect) => effect.type === 'raiseAlarm'));
  const deleted = has('server.deleted') || raised || has('machine.quarantine-failed');
  if (stored.ended && offers.length > 0 && !deleted) violations.push('ended with a server left');
  return violations;
}

/** No job may use a back end while the janitor can still be at work, unless an alarm says so. */
function cleaningViolations(rows: readonly LogRow[], stored: HistorySnapshot): readonly string[] {
  const violations: string[] = [];
  let [hasBackends, runs, mayRun] = [false, 0, false];
  for (const { type, outcome, effects, state } of rows) {
    const requested = effects.map((effect) => effect.type);
    if (type === 'backends.granted' && outcome === 'moved') hasBackends = true;
    if (requested.includes('runJanitor')) {
      if (!hasBackends) violations.push('ran without its back ends');
      [runs, mayRun] = [runs + 1, true];
    }
    const hasEnded = type === 'janitor.exited' || type === 'janitor.stopped';
    if (hasEnded && outcome === 'moved') mayRun = false;
    const isOver = state === 'backoff' || state === 'done';
    const isKnown = requested.includes('raiseAlarm') || type === 'machine.quarantine-failed';
    if (isOver && mayRun && !isKnown) violations.push(`gave its back ends back in ${state} while it may run`);
    if (isOver) [hasBackends, mayRun] = [false, false];
  }
  const janitor = rows[0]?.data.janitor as JanitorSpec | undefined;
  if (runs > (janitor?.attempts ?? 0)) violations.push(`${runs} attempts`);
  if (stored.ended && versionOf(stored).heldSlot(stored) !== null)
    violations.push('ended with its back ends');
  return violations;
}

/** A catch-up runs exactly while the state is up.catchingUp, and never two at a time. */
function streamViolations(rows: readonly LogRow[]): readonly string[] {
  const violations: string[] = [];
  const catchUps = new Set<string>();
  for (const row of rows) {
    if (row.settles !== null) catchUps.delete(row.settles);
    for (const effect of row.effects) {
      if (effect.type === 'catchUp') catchUps.add(effect.key);
      if (effect.type === 'cancelEffect') catchUps.delete(effect.key);
    }
    if (catchUps.size > 1) violations.push(`two catch-ups at a time at ${row.version}`);
    if ((row.state === 'up.catchingUp') !== (catchUps.size === 1))
      violations.push(`${row.state} with ${catchUps.size} catch-ups`);
  }
  return violations;
}

function reviewViolations(rows: readonly LogRow[]): readonly string[] {
  const violations: string[] = [];
  const report = rows[0]?.data.report as ReportSpec;
  const posts = rows.flatMap((row) => row.effects).filter((effect) => effect.type === 'postReview');
  if (posts.length > report.postAttempts + 1) violations.push(`${posts.length} posts`);
  const posted = rows.find((row) => row.type === 'review.posted' && row.outcome === 'moved');
  const again = rows
    .slice(posted?.version ?? rows.length)
    .some((row) => row.effects.some((effect) => effect.type === 'postReview'));
  if (again) violations.push('requested a post after one was made');
  const open = new Set<string>();
  for (const row of rows) {
    if (row.settles !== null) open.delete(row.settles);
    for (const effect of row.effects) if (effect.type === 'postReview') open.add(effect.key);
    if (open.size > 1) violations.push(`two posts in flight at ${row.version}`);
  }
  return violations;
}
