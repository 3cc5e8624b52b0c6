/** Shows what the rules decide for a file of events: one line per event, and below it the jobs that do not start. */
import { createReadStream } from 'node:fs';
import { type ExplainedLine, explainLines } from '../../app/explain-trigger.ts';
import type { Config } from '../../config/config.ts';
import { triggerRules } from '../../config/sections/triggers.ts';
import type { RequiredVote } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { nameOf } from '../../machines/trigger/rules/account.ts';
import { voteText } from '../../machines/trigger/rules/vote.ts';
import type { Decision } from '../../machines/trigger/trigger.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, type Paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

const MIB = 1024 * 1024;
/** All lines are kept until they are printed, at several times their size. An event of a busy Gerrit has about 2 KB. */
const MAX_BYTES = 64 * MIB;

/** @param path `-` is standard input */
export async function explainEvents(
  io: Io,
  config: Config,
  path: string,
  options: { readonly all?: boolean; readonly json?: boolean },
): Promise<number> {
  const lines: ExplainedLine[] = [];
  const { maxEventBytes: lineLimitBytes } = config.gerrit;
  await explainLines(triggerRules(config), open(path), lineLimitBytes, (line) => lines.push(line));
  if (options.json) linesJson(io, path, lines);
  else printLines(io, lines, options.all ?? false);
  return EXIT.ok;
}

function open(path: string): AsyncIterable<Uint8Array> {
  return bounded(path === '-' ? process.stdin : fileChunks(path), path);
}

async function* bounded(chunks: AsyncIterable<Uint8Array>, path: string): AsyncIterable<Uint8Array> {
  let bytes = 0;
  for await (const chunk of chunks) {
    bytes += chunk.length;
    if (bytes > MAX_BYTES) {
      const what = path === '-' ? 'standard input' : plainText(path);
      const hint = 'explain a part of it: sos-ci events export --since 2h > events.jsonl';
      throw new CliError(EXIT.usage, `${what} is larger than ${MAX_BYTES / MIB} MiB`, hint);
    }
    yield chunk;
  }
}

async function* fileChunks(path: string): AsyncIterable<Uint8Array> {
  try {
    yield* createReadStream(path);
  } catch (thrown) {
    const why = thrown instanceof Error ? thrown.message : String(thrown);
    const hint = 'name a file of events, or - for standard input';
    throw new CliError(EXIT.usage, `${plainText(path)} cannot be read: ${plainText(why)}`, hint);
  }
}

interface Row {
  readonly line: string;
  readonly time: string;
  readonly event: string;
  readonly change: string;
  readonly by: string;
  readonly action: string;
  readonly rule: string;
  readonly why: string;
}

type Explained = Extract<ExplainedLine, { readonly event: unknown }>;

const COLUMNS: readonly Column<Row>[] = [
  { title: 'LINE', text: ({ line }) => line, right: true },
  { title: 'TIME (UTC)', text: ({ time }) => time, dropOrder: 2 },
  { title: 'EVENT', text: ({ event }) => event },
  { title: 'CHANGE', text: ({ change }) => change, right: true },
  { title: 'BY', text: ({ by }) => by, dropOrder: 1 },
  { title: 'DECISION', text: ({ action }) => action, paint: ({ action }) => decisionPaint(action) },
  { title: 'RULE', text: ({ rule }) => rule },
  { title: 'WHY', text: ({ why }) => why },
];

/** Unless `all` is set, events that no rule can start a job for appear only in the summary. */
function printLines(io: Io, lines: readonly ExplainedLine[], all: boolean): void {
  const shown = lines.filter(
    (line) => all || 'waited' in line || ('event' in line && line.event.type !== 'other'),
  );
  const days = new Set(shown.flatMap((line) => timeOf(line)?.slice(0, 10) ?? []));
  const rows = shown.flatMap((line) => rowsOf(line, days.size > 1));
  if (rows.length > 0) printTable(io, COLUMNS, rows);
  const starts = lines.flatMap(decisionsOf).filter((decision) => decision.do === 'start').length;
  const rejected = lines.filter((line) => 'rejected' in line).length;
  const given = lines.filter((line) => !('waited' in line));
  const others = given.length - shown.filter((line) => !('waited' in line)).length - (all ? 0 : rejected);
  const parts = [
    `${count(starts, 'start')}`,
    ...(others > 0 ? [`${others} more that never start a job (--all)`] : []),
    ...(rejected > 0 ? [`${rejected} not understood`] : []),
  ];
  io.err(`${count(given.length, 'line')}: ${parts.join(', ')}\n`);
}

function linesJson(io: Io, file: string, lines: readonly ExplainedLine[]): void {
  const counts: Record<string, number> = {};
  for (const { do: action, rule } of lines.flatMap(decisionsOf)) {
    counts[`${action} ${rule}`] = (counts[`${action} ${rule}`] ?? 0) + 1;
  }
  printJson(io, { file, lines: lines.map(lineJson), counts });
}

export function requiredVoteText(required: RequiredVote): string {
  return `after ${required.account} ${voteText(required)} (at most ${formatLimit(required.timeoutMs)})`;
}

/** @param withDate false: all lines are from one day, so that the time alone is enough */
function rowsOf(line: ExplainedLine, withDate: boolean): readonly Row[] {
  const blank = { line: String(line.line), time: '', event: '', change: '', by: '', rule: '' };
  if ('rejected' in line) return [{ ...blank, action: 'rejected', why: line.rejected }];
  if ('dropped' in line) return [{ ...blank, action: 'dropped', why: line.dropped }];
  if ('waited' in line) {
    const { change, patchset } = line.waited;
    const head = { ...blank, line: '', event: 'waiting start', change: `${change},${patchset}` };
    return line.decisions.map((decision) => ({
      ...head,
      action: decision.do,
      rule: decision.rule,
      why: whyOf(decision),
    }));
  }
  const { event, decisions, jobs } = line;
  const time = timeOf(line)?.slice(withDate ? 0 : 11) ?? '';
  const head = {
    ...blank,
    time,
    event: event.type === 'other' ? event.name : event.type,
    ...changeAndAuthor(line),
  };
  const rows = decisions.map((decision, index): Row => {
    const first = index === 0 ? head : { ...blank, line: '' };
    return { ...first, action: decision.do, rule: decision.rule, why: whyOf(decision) };
  });
  const started = decisions.some((decision) => decision.do === 'start');
  // A job of another project gets no row.
  const skipped = started ? jobs.filter(({ cause, rule }) => cause === null && rule !== 'project') : [];
  const skippedRows = skipped.map(
    ({ job, rule, why }): Row => ({ ...blank, line: '', action: '', rule, why: `not ${job}: ${why}` }),
  );
  return [...rows, ...skippedRows];
}

/** `2026-11-22 17:09:35` */
function timeOf(line: ExplainedLine): string | null {
  return 'event' in line && 'at' in line.event && line.event.at > 0 ? utc(line.event.at).slice(0, 19) : null;
}

function changeAndAuthor({ event }: Explained): { readonly change: string; readonly by: string } {
  if ('patchset' in event) {
    return { change: `${event.patchset.change},${event.patchset.patchset}`, by: nameOf(event.by) };
  }
  return 'change' in event ? { change: String(event.change), by: nameOf(event.by) } : { change: '', by: '' };
}

function whyOf(decision: Decision): string {
  if (decision.do === 'defer') return `${decision.why}: ${decision.start.jobs.join(', ')} must wait`;
  if (decision.do !== 'start') return decision.why;
  const after = decision.requiredVote === null ? '' : `, ${requiredVoteText(decision.requiredVote)}`;
  return `${decision.why}: ${decision.jobs.join(', ')}${after}`;
}

function decisionsOf(line: ExplainedLine): readonly Decision[] {
  return 'decisions' in line ? line.decisions : [];
}

function decisionPaint(action: string): Paint | null {
  if (action === 'start') return 'green';
  return action === 'rejected' ? 'red' : null;
}

function lineJson(line: ExplainedLine): object {
  if ('waited' in line) {
    const { project, branch, change, patchset } = line.waited;
    const decisions = line.decisions.map(decisionJson);
    return { line: line.line, type: 'waited', project, branch, change, patchset, decisions };
  }
  if (!('event' in line)) return line;
  const { event, decisions } = line;
  const patchset = 'patchset' in event ? event.patchset : null;
  return {
    line: line.line,
    type: event.type === 'other' ? event.name : event.type,
    at: 'at' in event && event.at > 0 ? iso(event.at) : null,
    project: patchset?.project ?? ('project' in event ? event.project : null),
    branch: patchset?.branch ?? null,
    change: patchset?.change ?? ('change' in event ? event.change : null),
    patchset: patchset?.patchset ?? null,
    by: 'by' in event ? nameOf(event.by) : null,
    decisions: decisions.map(decisionJson),
    jobs: jobsOf(line),
  };
}

/** A reason that applies to all jobs is repeated for each. */
function jobsOf({ decisions, jobs }: Explained): readonly object[] {
  const last = decisions.at(-1);
  return jobs.map(({ job, cause, rule, why }) => {
    if (cause === null || last === undefined) return { job, starts: false, rule, why };
    return {
      job,
      starts: last.do === 'start',
      rule: last.do === 'start' ? rule : last.rule,
      why: last.do === 'start' ? why : last.why,
    };
  });
}

function decisionJson(decision: Decision): object {
  const { do: action, rule, why } = decision;
  if (decision.do === 'defer') return { do: action, rule, why, jobs: decision.start.jobs };
  if (decision.do !== 'start') return { do: action, rule, why };
  const { jobs, kind, trigger, requiredVote } = decision;
  return { do: action, rule, why, kind, jobs, trigger, requiredVote };
}
