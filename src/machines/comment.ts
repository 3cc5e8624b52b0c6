/**
 * The comment that we post. Its form is what the readers of CI comments in OpenStack parse (Gerrit's results tab, the
 * older scripts and scoreboards): a first line `Build succeeded|failed (PIPELINE pipeline).`, one line
 * `- NAME URL : VERDICT in TIME` for each job, and nothing else that begins with `- ` or `* `. Never longer than Gerrit takes.
 */
import type { JobReport, ReportSpec } from './vocabulary.ts';

/** Zuul allows itself 16,056 bytes; Gerrit's own default limit is 16,384. */
const LIMIT_BYTES = 16_000;
/** Kept free for the line that says how many jobs are not shown. */
const RESERVE_BYTES = 60;

export interface CommentFacts {
  readonly run: string;
  readonly pipeline: string;
  readonly reports: readonly JobReport[];
  readonly spec: Pick<ReportSpec, 'wiki'>;
}

export function renderComment({ run, pipeline, reports, spec }: CommentFacts): string {
  const succeeded = reports.every((report) => report.verdict === 'SUCCESS' || !report.voting);
  const help = spec.wiki === '' ? '' : ` How to rerun and whom to ask: ${spec.wiki}`;
  const head = [`Build ${succeeded ? 'succeeded' : 'failed'} (${pipeline} pipeline).${help}`, ''];
  const foot = [runMark(run)];
  const room = LIMIT_BYTES - RESERVE_BYTES - bytesOf([...head, '', ...foot]);
  const jobs = fitting(
    reports.map((report) => jobLine(report, spec.wiki)),
    room,
  );
  const hidden = reports.length - jobs.length;
  const more = hidden > 0 ? [`${hidden} more jobs are not shown here.`] : [];
  const reasons = fitting(reports.flatMap(details), room - bytesOf(jobs));
  return [...head, ...jobs, ...more, '', ...reasons, ...foot].join('\n');
}

/** The line by which our own message for a run is known again; Gerrit itself has no such key. */
export function runMark(run: string): string {
  return `sos-ci run ${run}`;
}

/** Readers want a link in every job line, or do not see the job: without logs it is the page that says whom to ask. */
function jobLine(report: JobReport, wiki: string): string {
  const where = (report.url ?? wiki).replace(/\s/gu, encodeURIComponent) || 'no-logs';
  const mark = report.voting ? '' : ' (non-voting)';
  return `- ${report.name} ${where} : ${report.verdict} in ${durationText(report.durationMs)}${mark}`;
}

function details(report: JobReport): readonly string[] {
  if (report.verdict === 'SUCCESS') return [];
  const why = [harmless(report.reason), report.url === null ? 'There are no logs.' : '']
    .filter((part) => part !== '')
    .join(' ');
  switch (report.verdict) {
    case 'FAILURE':
    case 'TIMED_OUT':
      return why === '' ? [] : [`${report.name}: ${why}`];
    case 'NODE_FAILURE':
    case 'RETRY_LIMIT':
      return [`${report.name}: trouble of this CI, not a result of the patch. ${why}`.trimEnd()];
    case 'POST_FAILURE':
      return [`${report.name}: the tests ended, but no result can be shown. ${why}`.trimEnd()];
    case 'MERGER_FAILURE':
    case 'SKIPPED':
      return why === '' ? [] : [`${report.name}: ${why}`];
    case 'ABORTED':
      return [`${report.name}: not finished. ${why}`.trimEnd()];
  }
}

/**
 * Text from elsewhere may not trigger a CI that searches comments for `recheck`, hide or reorder what people read, nor
 * look like a job line: it stands behind a name and in one line.
 */
function harmless(text: string): string {
  return text
    .replace(/[\p{Cf}\p{Co}\p{Cs}]/gu, '')
    .replace(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replace(/recheck|reverify/giu, (word) => `${word.slice(0, 2)}-${word.slice(2)}`)
    .trim();
}

/** The first lines that need no more than `room` bytes together. */
function fitting(lines: readonly string[], room: number): readonly string[] {
  let left = room;
  const end = lines.findIndex((line) => {
    left -= bytesOf([line]);
    return left < 0;
  });
  return end < 0 ? lines : lines.slice(0, end);
}

/** Length in UTF-8, line ends included. */
function bytesOf(lines: readonly string[]): number {
  let bytes = lines.length;
  for (const line of lines) {
    for (const character of line) {
      const code = character.codePointAt(0) ?? 0;
      bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    }
  }
  return bytes;
}

/** `1h 02m 03s`, `58m 10s`, `7s`. */
export function durationText(ms: number): string {
  const total = Math.max(0, Math.round(ms / 1000));
  const hours = Math.floor(total / 3600);
  const minutes = Math.floor((total % 3600) / 60);
  const seconds = total % 60;
  const two = (value: number) => String(value).padStart(2, '0');
  if (hours > 0) return `${hours}h ${two(minutes)}m ${two(seconds)}s`;
  return minutes > 0 ? `${minutes}m ${two(seconds)}s` : `${seconds}s`;
}
