/**
 * The mail about the end of a review: its recipients and text. It is requested when the review has ended, so it delays
 * nothing; failures are retried a few times, each as a row of the review's history. Subjects, owners and reasons are
 * untrusted: here each is kept to one line; the mailer encodes the headers.
 */
import { countsText } from '../comment/job-line.ts';
import type { JobReport, Patchset } from '../model/domain.ts';
import { formatSeconds } from '../model/duration.ts';
import type { Verdict } from '../model/verdict.ts';

/** From the configuration at the time when the review was opened. Holds no secret. */
export interface MailSpec {
  readonly to: readonly string[];
  /** `failure`: when a voting job did not succeed, or the review could not be posted. */
  readonly on: 'failure' | 'always';
  readonly attempts: number;
  /** Wait before the second attempt; doubles. */
  readonly retryMs: number;
  readonly timeoutMs: number;
}

/** One mail, before the mailer builds its headers. */
export interface Mail {
  /** The same for each attempt, so that a duplicate mail can be recognized. Letters, digits, dots and dashes. */
  readonly id: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/** The facts of a review's end that a mail uses. */
export interface MailFacts {
  readonly review: string;
  readonly pipeline: string;
  readonly patchset: Patchset;
  readonly reports: readonly JobReport[];
  /** False: the review could not be posted. Null: it was not meant to be posted. */
  readonly posted: boolean | null;
}

/** The mail, or null when the configuration requests none for this outcome. */
export function reviewMail(facts: MailFacts, { to, on }: MailSpec): Mail | null {
  const { review, patchset, pipeline, reports, posted } = facts;
  const verdict = summary(reports);
  if (on === 'failure' && verdict === 'SUCCESS' && posted !== false) return null;
  const change = `${patchset.change},${patchset.patchset}`;
  const unposted = posted === false ? ', not posted' : '';
  const subject = `${verdict}${unposted}: ${patchset.project} ${change} (${pipeline}) ${patchset.subject}`;
  const head = [
    ['Change', `${change} ${patchset.url}`],
    ['Project', `${patchset.project}, ${patchset.branch}`],
    ['Subject', patchset.subject],
    ['Owner', patchset.owner],
    ['Review', `${review}, ${postedText(posted)}`],
  ].map(([name, value]) => `${`${name}:`.padEnd(9)}${inLine(value ?? '', LINE_LIMIT)}`);
  const lines = [...head, '', ...reports.flatMap(jobLines), ''];
  return { id: `review.${review}`, to, subject: inLine(subject, SUBJECT_LIMIT), text: lines.join('\n') };
}

const SUBJECT_LIMIT = 200;
const LINE_LIMIT = 500;
/** The subject names the worst verdict. A skipped job is no verdict on the patch. */
const SEVERITY: Readonly<Record<Verdict, number>> = {
  FAILURE: 8,
  TIMED_OUT: 7,
  POST_FAILURE: 6,
  NODE_FAILURE: 5,
  RETRY_LIMIT: 4,
  MERGER_FAILURE: 3,
  ABORTED: 2,
  SUCCESS: 1,
  SKIPPED: 0,
};

function summary(reports: readonly JobReport[]): Verdict {
  const verdicts = reports.filter(({ voting }) => voting).map(({ verdict }) => verdict);
  return verdicts.reduce(
    (worst, verdict) => (SEVERITY[verdict] > SEVERITY[worst] ? verdict : worst),
    'SUCCESS',
  );
}

function postedText(posted: boolean | null): string {
  if (posted === null) return 'not to be posted';
  return posted ? 'posted' : 'NOT posted: sos-ci status says why';
}

function jobLines(report: JobReport): readonly string[] {
  const mark = report.voting ? '' : ' (non-voting)';
  const first = `${report.name}: ${report.verdict} in ${formatSeconds(report.durationMs)}${countsText(report)}${mark}`;
  const later = report.evidence === 'pending' ? ' (not published yet)' : '';
  const more = [report.reason, `${report.url ?? ''}${later}`].filter((line) => line !== '');
  return [first, ...more.map((line) => `    ${inLine(line, LINE_LIMIT)}`)];
}

/** One printable line of limited length: line ends, control and formatting characters become spaces. */
function inLine(text: string, limit: number): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .slice(0, limit)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}
