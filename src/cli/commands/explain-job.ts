/** Explains why a job was started, which state and event decided its verdict, and which runs its vote counts. */
import { sha256 } from '../../app/database-admin.ts';
import type { JobView, NumberedRow, StoreReader } from '../../engine/ports/store.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { HistorySnapshot } from '../../machines/protocol/row.ts';
import type { VoteSummary } from '../../machines/protocol/version.ts';
import { step } from '../../machines/step.ts';
import type { StartCause } from '../../machines/trigger/rules/cause.ts';
import type { Counted, VoteReason } from '../../machines/verdicts/vote-rule.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { findJob } from '../input/resolve-id.ts';
import { rowText, votesText } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { printField } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { jobJson, verdictPaint } from './job.ts';
import { readQueue } from './queue.ts';

interface Explanation {
  readonly job: JobView;
  /** Null: an operator started it. */
  readonly cause: StartCause | null;
  /** Null: there is no verdict yet. */
  readonly decided: { readonly state: string; readonly row: NumberedRow } | null;
  /** Why it waits in the queue; null: it does not. */
  readonly waits: string | null;
  /** The last line that the failed stage printed. */
  readonly lastLine: string | null;
  readonly vote: VoteSummary | null;
}

/** @param typed the first characters of the job's id */
export function explainJob(
  io: Io,
  reader: StoreReader,
  typed: string,
  options: { readonly json?: boolean },
): number {
  const explanation = explain(io, reader, findJob(reader, typed));
  if (options.json) printJson(io, explanationJson(explanation));
  else printExplanation(io, explanation);
  return EXIT.ok;
}

function explain(io: Io, reader: StoreReader, job: JobView): Explanation {
  const stored = reader.stored(job.id);
  const review = reader.stored(job.review);
  const opened = reader.rows(job.review)[0];
  return {
    job,
    cause: (opened?.data.cause ?? null) as StartCause | null,
    decided: verdictSource(reader.rows(job.id)),
    waits: readQueue(io, reader).find((waiting) => waiting.job.id === job.id)?.why ?? null,
    lastLine: stored === null ? null : versionOf(stored).lastLine(stored),
    vote: review === null ? null : versionOf(review).summarizeVote(review),
  };
}

/** What the comment says about the vote, or why there is none. */
function whyOf(vote: VoteSummary): readonly string[] {
  return vote.lines.length > 0 || vote.sent !== null ? vote.lines : [whyNoVote(vote)];
}

function whyNoVote({ label, isPosted, outcome, changeStatus, reason }: VoteSummary): string {
  if (label === null) return 'No vote: report.label is not set.';
  if (!isPosted) {
    return outcome === null
      ? 'No vote yet: the review has not been posted.'
      : `No vote: the review ended as ${outcome}.`;
  }
  if (changeStatus !== 'open') return `No vote: the change is ${changeStatus}.`;
  const why = reason === null ? 'its results do not count for the current patchset' : REASONS[reason];
  return `No vote: ${why}.`;
}

const REASONS: Readonly<Record<VoteReason, string>> = {
  failure: 'a job failed, and a vote for that is not configured or its logs are not published',
  'timed-out': 'a job timed out, and a vote for that is not configured or its logs are not published',
  success: 'report.success is 0',
  'no-job': 'no voting job applies to the change',
  'no-verdict': 'not every job below ended with a result',
  dependencies: 'the jobs below tested different revisions of the changes that it depends on',
  incomplete: 'the results of earlier patchsets are no longer kept',
};

function printExplanation(io: Io, { job, cause, decided, waits, lastLine, vote }: Explanation): void {
  const title = `${job.name}  ${job.change},${job.patchset}  ${job.project}  ${job.branch}`;
  io.out(`${paint(io, 'bold', plainText(title))}\n`);
  printField(io, 'started', causeText(cause));
  if (job.verdict === null) {
    printField(io, 'verdict', `none yet: ${topState(job.state)}${waits === null ? '' : `; ${waits}`}`);
  } else {
    const reason = job.reason === '' ? '' : `: ${job.reason}`;
    printField(io, 'verdict', `${job.verdict}${reason}`, verdictPaint(job.verdict));
  }
  if (decided !== null) {
    const { state, row } = decided;
    printField(io, 'decided', `in ${topState(state)}, ${utc(row.at)}: ${rowText(row)}`);
  }
  if (lastLine !== null) printField(io, 'output', lastLine);
  if (vote !== null) printVote(io, job, vote);
  printField(io, 'logs', job.url ?? 'not published');
  printField(io, 'story', `sos-ci job ${job.id}`);
}

function printVote(io: Io, job: JobView, vote: VoteSummary): void {
  const { label, sent, patchset, counted } = vote;
  const value =
    label === null || sent === null ? [] : [`${votesText({ [label]: sent })} on patchset ${patchset}`];
  for (const [index, text] of [...value, ...whyOf(vote)].entries())
    printField(io, index === 0 ? 'vote' : '', text);
  for (const [index, one] of counted.entries()) {
    printField(io, index === 0 ? 'counted' : '', countedText(one, job));
  }
}

function causeText(cause: StartCause | null): string {
  if (cause === null) return 'by an operator';
  return `${cause.why}${cause.at > 0 ? `, ${utc(cause.at)}` : ''}`;
}

function countedText({ name, result, verdict }: Counted, job: JobView): string {
  const run = result ?? verdict;
  if (run === null) return `${name}: no result yet`;
  const own = run.review === job.review && name === job.name ? ', this job' : '';
  const newer = verdict !== null && verdict !== run ? `; a later run ended as ${verdict.verdict}` : '';
  return `${name}: ${run.verdict} on patchset ${run.patchset}${own}${newer}`;
}

/** Documented in docs/cli.md. */
function explanationJson({ job, cause, decided, waits, lastLine, vote }: Explanation) {
  return {
    job: jobJson(job),
    start: cause === null ? null : { ...cause, at: cause.at > 0 ? iso(cause.at) : null },
    decided:
      decided === null
        ? null
        : {
            state: decided.state,
            at: iso(decided.row.at),
            event: decided.row.type,
            text: rowText(decided.row),
          },
    waits,
    lastLine,
    vote: vote === null ? null : voteJson(vote),
  };
}

function voteJson(vote: VoteSummary) {
  const { label, sent, patchset, counted } = vote;
  return { label, sent, patchset, why: whyOf(vote), counted: counted.map(countedJson) };
}

function countedJson({ name, result, verdict }: Counted) {
  const run = result ?? verdict;
  return {
    name,
    result: result?.verdict ?? null,
    verdict: verdict?.verdict ?? null,
    patchset: run?.patchset ?? null,
    review: run?.review ?? null,
    url: run?.url ?? null,
  };
}

/** The row that last changed the verdict, or null when there is no verdict yet. */
function verdictSource(rows: readonly NumberedRow[]): Explanation['decided'] {
  let before: HistorySnapshot | null = null;
  let found: Explanation['decided'] = null;
  for (const row of rows) {
    const event = { ...row.data, type: row.type } as unknown as AnyEvent;
    const { stored }: { readonly stored: HistorySnapshot } = step(before, { ...row, event }, sha256);
    const verdict = before?.context.verdict ?? null;
    if (stored.context.verdict !== verdict) found = { state: before?.state ?? stored.state, row };
    before = stored;
  }
  return found;
}
