/**
 * The comment of a review, in the format that OpenStack's CI tools parse: a first line `Build succeeded|failed
 * (PIPELINE pipeline).`, one line for each job, and no other line that looks like one. It never exceeds Gerrit's
 * maximum length and never contains a CI command, whatever the names of tests and branches or the reasons contain.
 */

import type { JobReport, MergedTree, Patchset } from '../model/domain.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import { bytesOf, fittingLines } from './byte-length.ts';
import { explanations, testedText } from './explanation.ts';
import { type JobLine, jobLine } from './job-line.ts';
import type { Meaning } from './safe-text.ts';
import { harmlessUrl } from './sanitize.ts';

export interface CommentFacts {
  readonly review: string;
  readonly pipeline: string;
  readonly patchset: Patchset;
  readonly reports: readonly JobReport[];
  /** The tested commits; empty: the patchset as uploaded. */
  readonly trees: readonly MergedTree[];
  /** The lines about the vote. */
  readonly vote: readonly string[];
  readonly spec: Pick<ReportSpec, 'helpUrl' | 'messageLimitBytes'>;
}

/** The parts of a comment; each may be empty, and only `jobs`, `details` and `tested` may have several lines. */
export interface CommentParts {
  readonly header: string;
  /** How to rerun and whom to ask. */
  readonly help: string;
  readonly jobs: readonly string[];
  readonly details: readonly string[];
  readonly tested: readonly string[];
  readonly mark: string;
  readonly meaning: Meaning;
}

/** Reserved for the line with the number of jobs that are not shown. */
const RESERVE_BYTES = 60;
/** The lines about the vote use at most 1/VOTE_SHARE of a message: the job lines matter more. */
const VOTE_SHARE = 4;
/** Maximum characters of an error's reason in a job line. The first limit whose lines fit is used. */
const WHY_LIMITS = [160, 40];

export function renderComment(facts: CommentFacts): string {
  const { header, help, jobs, details, tested, mark } = commentParts(facts);
  const blocks = [[sentence(header, help)], jobs, [...details, ...tested, mark]];
  return blocks
    .filter((block) => block.length > 0)
    .map((block) => block.join('\n'))
    .join('\n\n');
}

export function commentParts(facts: CommentFacts, limitBytes = facts.spec.messageLimitBytes): CommentParts {
  const { review, patchset, spec } = facts;
  const reports = shownReports(facts.reports);
  const status = reports.every(isFine) ? 'succeeded' : 'failed';
  const pipeline = facts.pipeline.replace(/\W+/g, '_').replace(/(?<=re)(?=check|verify)/gi, '_');
  const header = `Build ${status} (${pipeline} pipeline).`;
  const help = spec.helpUrl === '' ? '' : `How to rerun and whom to ask: ${harmlessUrl(spec.helpUrl)}`;
  const mark = reviewMark(review);
  const tested = testedText(facts.trees);
  const vote = fittingLines(facts.vote, limitBytes / VOTE_SHARE);
  const frame = bytesOf([sentence(header, help), '', '', mark, ...vote, ...tested]) + RESERVE_BYTES;
  const linesBytes = limitBytes - frame;
  const lines = fittingJobs(reports, spec.helpUrl || patchset.url, linesBytes);
  const texts = lines.map(({ text }) => text);
  const hidden = reports.length - lines.length;
  return {
    header,
    help,
    jobs: hidden > 0 ? [...texts, '', `${hidden} more jobs are not shown here.`] : texts,
    details: [...vote, ...fittingLines(explanations(reports), linesBytes - bytesOf(texts))],
    tested,
    mark,
    meaning: { status, pipeline, jobs: lines.map(({ shown }) => shown), mark, limitBytes },
  };
}

/** The line that identifies our own message for a review, because Gerrit stores no such key. */
export function reviewMark(review: string): string {
  return `sos-ci review ${review}`;
}

/** Skipped jobs are shown only if there are no others. */
function shownReports(reports: readonly JobReport[]): readonly JobReport[] {
  const ran = reports.filter(({ verdict }) => verdict !== 'SKIPPED');
  return ran.length > 0 ? ran : reports;
}

function isFine({ verdict, voting }: JobReport): boolean {
  return verdict === 'SUCCESS' || verdict === 'SKIPPED' || !voting;
}

/** Prefers all jobs with short reasons to some jobs with long ones. */
function fittingJobs(
  reports: readonly JobReport[],
  fallback: string,
  limitBytes: number,
): readonly JobLine[] {
  let shown: readonly JobLine[] = [];
  for (const whyLimit of WHY_LIMITS) {
    const lines = reports.map((report) => jobLine(report, fallback, whyLimit));
    shown = lines.slice(
      0,
      fittingLines(
        lines.map(({ text }) => text),
        limitBytes,
      ).length,
    );
    if (shown.length === lines.length) break;
  }
  return shown;
}

function sentence(...parts: readonly string[]): string {
  return parts.filter((part) => part !== '').join(' ');
}
