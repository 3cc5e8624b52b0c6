/**
 * The mail that tells people outside of Gerrit how a review ended: what it is, whom it goes to, and its words. It is asked
 * for when the review has ended, so it can neither delay nor keep anything; what goes wrong with it is tried again a
 * few times, each time a row of the review's history. Subjects, owners and reasons are strangers' words: they stay in
 * their line here, and what a header is made of them is the mailer's care.
 */
import type { JobReport, Patchset } from '../model/domain.ts';
import { formatSeconds } from '../model/duration.ts';
import type { Verdict } from '../model/verdict.ts';

/** From the configuration at the time when the review was opened. Holds no secret. */
export interface MailSpec {
  readonly to: readonly string[];
  /** `failure`: when a voting job did not succeed, or Gerrit did not take the review. */
  readonly on: 'failure' | 'always';
  readonly attempts: number;
  /** Wait before a second attempt; doubles. */
  readonly retryMs: number;
  readonly timeoutMs: number;
}

/** One mail, before anybody has made headers of it. */
export interface Mail {
  /** The same for each attempt, so that a mail that comes twice is known as one. Letters, digits, dots and dashes. */
  readonly id: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
}

/** How a review ended, as far as a mail speaks of it. */
export interface MailFacts {
  readonly review: string;
  readonly pipeline: string;
  readonly patchset: Patchset;
  readonly reports: readonly JobReport[];
  /** False: Gerrit did not take the review. Null: it was not to be posted. */
  readonly posted: boolean | null;
}

/** The mail, or null when nobody wants to hear of this end. */
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
/** The worst first: what a person who reads only the subject must know. */
const WORST_FIRST: readonly Verdict[] = [
  'FAILURE',
  'TIMED_OUT',
  'POST_FAILURE',
  'NODE_FAILURE',
  'RETRY_LIMIT',
  'MERGER_FAILURE',
  'ABORTED',
];

function summary(reports: readonly JobReport[]): Verdict {
  const verdicts = reports.filter(({ voting }) => voting).map(({ verdict }) => verdict);
  return WORST_FIRST.find((verdict) => verdicts.includes(verdict)) ?? 'SUCCESS';
}

function postedText(posted: boolean | null): string {
  if (posted === null) return 'not to be posted';
  return posted ? 'posted' : 'NOT posted: sos-ci status says why';
}

function jobLines(report: JobReport): readonly string[] {
  const mark = report.voting ? '' : ' (non-voting)';
  const first = `${report.name}: ${report.verdict} in ${formatSeconds(report.durationMs)}${mark}`;
  const later = report.evidence === 'pending' ? ' (not published yet)' : '';
  const more = [report.reason, `${report.url ?? ''}${later}`].filter((line) => line !== '');
  return [first, ...more.map((line) => `    ${inLine(line, LINE_LIMIT)}`)];
}

/** One line, printable, bounded: what stands for line ends, control or formatting characters becomes a space. */
function inLine(text: string, limit: number): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .slice(0, limit)
    .replace(/[\ud800-\udbff]$/, '')
    .trim();
}
