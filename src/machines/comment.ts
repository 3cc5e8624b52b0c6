/**
 * The comment that we post. Its form is what the readers of CI comments in OpenStack parse (Gerrit's results tab, the
 * older scripts and scoreboards): a first line `Build succeeded|failed (PIPELINE pipeline).`, one line
 * `- NAME URL : VERDICT in TIME` for each job, and nothing else that begins with `- ` or `* `.
 */
import type { JobReport, ReportSpec } from './vocabulary.ts';

/** Under what Zuul allows itself; Gerrit's own default limit is 16,384 bytes. */
const DETAIL_LIMIT = 40;

export interface CommentFacts {
  readonly run: string;
  readonly pipeline: string;
  readonly reports: readonly JobReport[];
  readonly spec: Pick<ReportSpec, 'wiki'>;
}

export function renderComment({ run, pipeline, reports, spec }: CommentFacts): string {
  const succeeded = reports.every((report) => report.verdict === 'SUCCESS' || !report.voting);
  const help = spec.wiki === '' ? '' : ` How to rerun and whom to ask: ${spec.wiki}`;
  const lines = [
    `Build ${succeeded ? 'succeeded' : 'failed'} (${pipeline} pipeline).${help}`,
    '',
    ...reports.map(jobLine),
    '',
    ...reports.slice(0, DETAIL_LIMIT).flatMap(details),
    runMark(run),
  ];
  return lines.join('\n');
}

/** The line by which our own message for a run is known again; Gerrit itself has no such key. */
export function runMark(run: string): string {
  return `sos-ci run ${run}`;
}

function jobLine(report: JobReport): string {
  const where = report.url ?? '(no logs)';
  const mark = report.voting ? '' : ' (non-voting)';
  return `- ${report.name} ${where} : ${report.verdict} in ${durationText(report.durationMs)}${mark}`;
}

function details(report: JobReport): readonly string[] {
  if (report.verdict === 'SUCCESS' || report.reason === '') return [];
  const reason = harmless(report.reason);
  switch (report.verdict) {
    case 'FAILURE':
    case 'TIMED_OUT':
      return [`${report.name}: ${reason}`];
    case 'NODE_FAILURE':
    case 'RETRY_LIMIT':
      return [`${report.name}: trouble of this CI, not a result of the patch. ${reason}`];
    case 'POST_FAILURE':
      return [`${report.name}: the tests ended, but no result can be shown. ${reason}`];
    case 'ABORTED':
      return [`${report.name}: not finished. ${reason}`];
  }
}

/**
 * Text from elsewhere may not trigger a CI that searches comments for `recheck`, nor look like a job line: it stands
 * behind a name and in one line.
 */
function harmless(text: string): string {
  return text.replace(/recheck|reverify/giu, (word) => `${word.slice(0, 2)}-${word.slice(2)}`);
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
