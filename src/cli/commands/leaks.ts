/**
 * `sos-ci leaks` lists what has our mark although no job uses it any more; `sos-ci gc` removes it. The daemon does both;
 * while none runs, this process does.
 */
import { collectGarbage, listLeaks } from '../../app/leaks.ts';
import { loadConfig } from '../../config/load.ts';
import type { LeakReport, LeakView, OperatorRequest } from '../../engine/ports/operator-api.ts';
import { createLog } from '../../log.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { plainText } from '../../terminal-text.ts';
import { operatorOf, type RequestOptions } from '../input/daemon-client.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, paintError, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

export type LeakRequest = Extract<OperatorRequest, { do: 'leaks' | 'gc' }>;
export type RequestLeaks = (request: LeakRequest) => Promise<LeakReport>;

/** Performs the request without a daemon. @throws LockHeld when another process uses the state directory */
export function leaksHere(file: string, options: RequestOptions): RequestLeaks {
  return (request) => {
    const config = loadConfig(file);
    if (request.do === 'leaks' || request.dryRun) return listLeaks(config);
    const log = createLog({ level: 'error', destination: 'stderr', secrets: { values: config.redact } });
    return collectGarbage(config, operatorOf(options), log);
  };
}

/** Exit code 0: nothing leaks. 1: something does. 5: a provider, or this host, could not be listed. */
export async function leaksCommand(
  io: Io,
  send: RequestLeaks,
  options: Pick<RequestOptions, 'json'>,
): Promise<number> {
  const report = await send({ do: 'leaks' });
  if (options.json) printJson(io, reportJson(report), 'leaks');
  else print(io, report, `${count(total(report), 'leaked resource')}`);
  return exitOf(report);
}

/** Exit code 0: nothing is left. 1: something is. 5: a provider, or this host, could not be listed. */
export async function gcCommand(
  io: Io,
  send: RequestLeaks,
  options: Pick<RequestOptions, 'json'> & { readonly dryRun?: boolean },
): Promise<number> {
  const dryRun = options.dryRun === true;
  const report = await send({ do: 'gc', dryRun });
  const of = (states: readonly LeakView['state'][]) =>
    report.leaks.filter(({ state }) => states.includes(state)).length;
  const removed = of(dryRun ? ['first-seen', 'agreed', 'remove-failed'] : ['removed']);
  if (options.json) printJson(io, { dryRun, ...reportJson(report) }, 'leaks');
  else {
    const verb = dryRun ? 'would be removed' : 'removed';
    print(io, report, `${count(removed, 'resource')} ${verb}, ${total(report) - removed} left`);
  }
  return exitOf(report);
}

function exitOf({ leaks, unlisted }: LeakReport): number {
  if (unlisted.length > 0) return EXIT.refused;
  return leaks.every(({ state }) => state === 'removed') ? EXIT.ok : EXIT.negative;
}

function total({ leaks, omitted }: LeakReport): number {
  return leaks.length + omitted;
}

function print(io: Io, { leaks, omitted, unlisted }: LeakReport, head: string): void {
  io.out(`${head}\n`);
  if (leaks.length > 0) printTable(io, columns(io.now()), leaks);
  if (omitted > 0) io.out(`and ${omitted} more\n`);
  for (const { part, why, hint } of unlisted) {
    io.err(`${paintError(io, 'red', 'sos-ci:')} ${plainText(`${part} cannot be listed: ${why}`)}\n`);
    if (hint !== '') io.err(`        ${plainText(hint)}\n`);
  }
}

/** Documented in docs/cli.md. */
function reportJson({ leaks, omitted, unlisted }: LeakReport) {
  const entries = leaks.map(({ createdAt, jobEndedAt, firstSeenAt, ...rest }) => ({
    ...rest,
    createdAt: iso(createdAt),
    jobEndedAt: iso(jobEndedAt),
    firstSeenAt: iso(firstSeenAt),
  }));
  return { leaks: entries, omitted, unlisted };
}

function columns(now: number): readonly Column<LeakView>[] {
  return [
    { title: 'PROVIDER', text: ({ provider }) => provider ?? 'this host' },
    { title: 'KIND', text: ({ kind }) => kind },
    { title: 'ID', text: ({ id }) => id },
    { title: 'NAME', text: ({ name }) => name ?? '', dropOrder: 1 },
    { title: 'JOB', text: ({ job }) => job },
    { title: 'AGE', text: (leak) => formatDuration(now - bornAt(leak)), right: true },
    { title: 'SEEN (UTC)', text: ({ firstSeenAt }) => utc(firstSeenAt).slice(0, -4), dropOrder: 2 },
    {
      title: 'STATE',
      minWidth: 16,
      text: stateText,
      paint: ({ state }) => (state === 'remove-failed' || state === 'unknown-job' ? 'red' : null),
    },
  ];
}

/** Without the time of its creation it is at least as old as the end of its job. */
function bornAt({ createdAt, jobEndedAt, firstSeenAt }: LeakView): number {
  return createdAt ?? jobEndedAt ?? firstSeenAt;
}

function stateText({ state, why }: LeakView): string {
  switch (state) {
    case 'first-seen':
      return 'first seen';
    case 'agreed':
      return 'seen twice';
    case 'remove-failed':
      return `cannot be removed: ${why}`;
    case 'unknown-job':
      return 'kept: unknown job';
    case 'removed':
      return 'removed';
    default:
      return state satisfies never;
  }
}
