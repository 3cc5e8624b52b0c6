/** `sos-ci job ID`: the history of one job, from the event that started it to the end of its cleanup. */
import type { ArchivedJob } from '../../app/read-archive.ts';
import type { JobView, NumberedRow, OutboxEntry, ReviewView, StoreReader } from '../../engine/ports/store.ts';
import { openHolds } from '../../machines/hold/open-holds.ts';
import { publicationOf } from '../../machines/job/publication.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { type Environment, environmentText } from '../../machines/model/environment.ts';
import type { Verdict } from '../../machines/model/verdict.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { findJob } from '../input/resolve-id.ts';
import { EXIT } from '../output/exit-codes.ts';
import { eventsJson, pendingJson, printPending, printRows } from '../output/history-table.ts';
import { type StateSpan, startedAttempt, stateSpans } from '../output/state-spans.ts';
import { columnOf, padEnd, padStart, printField } from '../output/table.ts';
import { type Io, type Paint, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { holdLine } from './holds.ts';

const MAX_ARCHIVED_SHOWN = 10;

export interface JobOptions {
  readonly json?: boolean;
}

/** The job, or where the archive has it. */
export async function findJobCommand(
  io: Io,
  stateDir: string,
  reader: StoreReader,
  typed: string,
  options: JobOptions,
): Promise<number> {
  if (typed !== '' && reader.jobIds(typed, 1).length === 0) {
    const { findArchivedJobs } = await import('../../app/read-archive.ts');
    const archived = await findArchivedJobs(stateDir, typed, MAX_ARCHIVED_SHOWN);
    if (archived.length > 0) return printArchived(io, archived, options);
  }
  return jobCommand(io, reader, typed, options);
}

export function jobCommand(io: Io, reader: StoreReader, typed: string, options: JobOptions): number {
  const job = findJob(reader, typed);
  const rows = reader.rows(job.id);
  const pending = reader.outbox(job.id);
  const review = reader.review(job.review);
  const stored = reader.stored(job.id);
  const environment = stored === null ? null : versionOf(stored).environment(stored);
  if (options.json) {
    printJson(io, storyJson(job, review, environment, rows, pending));
    return EXIT.ok;
  }
  const publication = reader.stored(publicationOf(job.id));
  printHead(
    io,
    reader,
    job,
    review,
    publication === null ? null : (versionOf(publication).pendingEvidence(publication)?.url ?? null),
    attempts(rows),
    environment,
  );
  printSpans(io, stateSpans(rows), io.now());
  io.out('\n');
  printRows(io, job.acceptedAt, rows);
  printPending(io, pending);
  return EXIT.ok;
}

function printArchived(io: Io, jobs: readonly ArchivedJob[], options: JobOptions): number {
  if (options.json) {
    const archived = jobs.map(({ history, title, file, at }) => ({
      id: history,
      title,
      file,
      leftAt: iso(at),
    }));
    printJson(io, { archived });
    return EXIT.ok;
  }
  for (const { history, title, file, at } of jobs) {
    io.out(`${paint(io, 'bold', plainText(title))}\n`);
    printField(io, 'job', history);
    printField(io, 'archived', `${utc(at)}, in ${file}`);
    printField(io, 'replay', `sos-ci replay --file ${file} ${history}`);
  }
  return EXIT.ok;
}

export function verdictPaint(verdict: Verdict | null): Paint | null {
  if (verdict === null) return null;
  if (verdict === 'SUCCESS') return 'green';
  return verdict === 'FAILURE' ? 'red' : 'yellow';
}

function attempts(rows: readonly NumberedRow[]): { readonly done: number; readonly allowed: number | null } {
  const spec: unknown = rows[0]?.data.spec;
  const allowed = (spec as { limits?: { setupAttempts?: number } } | undefined)?.limits?.setupAttempts;
  const done = rows.reduce((max, row) => Math.max(max, startedAttempt(row) ?? 1), 1);
  return { done, allowed: allowed ?? null };
}

function printHead(
  io: Io,
  reader: StoreReader,
  job: JobView,
  review: ReviewView | null,
  pending: string | null,
  attempt: { readonly done: number; readonly allowed: number | null },
  environment: Environment | null,
): void {
  const title = `${job.name}  ${job.change},${job.patchset}  ${job.project}  ${job.branch}`;
  io.out(`${paint(io, 'bold', plainText(title))}\n`);
  // Without a verdict, the reason is that of an attempt that is retried.
  const verdict = job.verdict ?? (job.reason === '' ? 'none yet' : 'none yet; last failed attempt');
  const took = (job.endedAt ?? io.now()) - job.acceptedAt;
  const ended =
    job.endedAt === null
      ? `${formatDuration(took)} so far`
      : `ended ${utc(job.endedAt)}, after ${formatDuration(took)}`;
  printField(io, 'subject', job.subject);
  printField(
    io,
    'verdict',
    job.reason === '' ? verdict : `${verdict}: ${job.reason}`,
    verdictPaint(job.verdict),
  );
  printField(io, 'state', job.state);
  printField(io, 'accepted', `${utc(job.acceptedAt)}, ${ended}`);
  printField(
    io,
    'attempt',
    `${attempt.done}${attempt.allowed === null ? '' : ` of ${attempt.allowed}`}, on ${job.provider}`,
  );
  if (environment !== null) printField(io, 'ran on', environmentText(environment));
  printField(io, 'logs', job.url ?? (pending === null ? 'not published' : `not published yet: ${pending}`));
  const held = openHolds(reader).find((hold) => hold.held?.job === job.id);
  if (held !== undefined)
    printField(io, 'server', `held: ${holdLine(held, io.now())}; to log in: sos-ci holds`);
  printField(
    io,
    'review',
    `${job.review}  ${review === null ? 'unknown' : (review.outcome ?? review.state)}`,
  );
  printField(io, 'job', job.id);
}

const BAR = 30;

function printSpans(io: Io, spans: readonly StateSpan[], now: number): void {
  if (spans.length === 0) return;
  const length = (span: StateSpan): number => Math.max(0, (span.endedAt ?? now) - span.startedAt);
  const total = spans.reduce((sum, span) => sum + length(span), 0);
  const retried = spans.some((span) => span.attempt > 1);
  const bar = Math.min(BAR, io.width - 46);
  io.out('\n');
  for (const span of spans) {
    const ms = length(span);
    const blocks = total === 0 || bar < 5 ? 0 : Math.round((bar * ms) / total);
    const line = [
      `  ${columnOf(span.state, 11)}`,
      padStart(formatDuration(ms), 12),
      padEnd(span.endedAt === null ? ' so far' : '', 7),
      retried ? ` attempt ${span.attempt} ` : '',
      ` ${paint(io, 'blue', '█'.repeat(Math.max(ms > 0 && bar >= 5 ? 1 : 0, blocks)))}`,
    ];
    io.out(`${line.join('').trimEnd()}\n`);
  }
}

/** Documented in docs/cli.md. */
export function jobJson(job: JobView) {
  const { acceptedAt, updatedAt, endedAt, queued: _q, cleaningUp: _c, parked: _p, ...rest } = job;
  return { ...rest, acceptedAt: iso(acceptedAt), updatedAt: iso(updatedAt), endedAt: iso(endedAt) };
}

function storyJson(
  job: JobView,
  review: ReviewView | null,
  environment: Environment | null,
  rows: readonly NumberedRow[],
  pending: readonly OutboxEntry[],
) {
  return {
    job: jobJson(job),
    review:
      review === null
        ? null
        : { id: review.id, state: review.state, ended: review.ended, outcome: review.outcome },
    environment,
    stages: stateSpans(rows).map(({ state, attempt, startedAt, endedAt }) => ({
      state,
      attempt,
      startedAt: iso(startedAt),
      durationMs: endedAt === null ? null : endedAt - startedAt,
    })),
    pending: pendingJson(pending),
    events: eventsJson(rows, job.acceptedAt),
  };
}
