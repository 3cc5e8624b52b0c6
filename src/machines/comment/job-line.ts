/**
 * One job's line, in the format that CI comment parsers know: `- NAME LINK : VERDICT in TIME`. A job that this CI could
 * not set up is an error with a reason, never a failure of the patch.
 */
import { assertNever, type JobReport } from '../model/domain.ts';
import { formatSeconds } from '../model/duration.ts';
import { resultsText } from '../model/judge-testing.ts';
import { clipped } from './byte-length.ts';
import type { ShownJob } from './parsers/parsed-comment.ts';
import { harmlessInJobLine, harmlessName, harmlessUrl } from './sanitize.ts';

export interface JobLine {
  readonly text: string;
  /** The intended parse result. */
  readonly shown: ShownJob;
}

/**
 * @param fallback link for a job without logs: parsers ignore a job without a link
 * @param whyLimit characters of an error's reason
 */
export function jobLine(report: JobReport, fallback: string, whyLimit: number): JobLine {
  const name = harmlessName(report.name);
  const link = harmlessUrl(report.url ?? fallback) || 'no-logs';
  const verdict = isInfrastructureFailure(report) ? 'ERROR' : report.verdict;
  const why = verdict === 'ERROR' ? ` ${clipped(whyText(report), whyLimit)}` : '';
  const time = report.verdict === 'SKIPPED' ? '' : ` in ${formatSeconds(report.durationMs)}`;
  const mark = report.voting ? '' : ' (non-voting)';
  return {
    text: `- ${name} ${link} : ${verdict}${why}${time}${countsText(report)}${mark}`,
    shown: { name, verdict, link },
  };
}

/** A failure names its tests below; a success only counts them. */
export function countsText({ verdict, results }: JobReport): string {
  return verdict === 'SUCCESS' && results !== null ? ` (${resultsText(results)})` : '';
}

/** True when the verdict means that this CI could not set up the test or keep it running. */
function isInfrastructureFailure({ verdict }: Pick<JobReport, 'verdict'>): boolean {
  switch (verdict) {
    case 'NODE_FAILURE':
    case 'RETRY_LIMIT':
      return true;
    case 'SUCCESS':
    case 'FAILURE':
    case 'TIMED_OUT':
    case 'POST_FAILURE':
    case 'MERGER_FAILURE':
    case 'SKIPPED':
    case 'ABORTED':
      return false;
    default:
      return assertNever(verdict);
  }
}

/** Never empty, because parsers do not show an error without a reason. */
function whyText({ reason, lastLine, verdict }: JobReport): string {
  const quote = lastLine === null ? '' : ` (${lastLine})`;
  return harmlessInJobLine(`${reason}${quote}`) || verdict;
}
