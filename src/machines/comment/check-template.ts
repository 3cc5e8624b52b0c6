/**
 * Renders comments of every kind with a template when the configuration is loaded. Otherwise a template whose comments
 * are misread only when a setup has failed would be noticed months later.
 */

import type { JobReport, Patchset } from '../model/domain.ts';
import type { ReportSpec } from '../model/report-spec.ts';
import { VERDICTS } from '../model/verdict.ts';
import { misreadings } from './check-parsers.ts';
import type { CommentFacts } from './comment.ts';
import { filledTemplate } from './compose.ts';
import { type TemplateFault, templateFaults } from './template.ts';

const PATCHSET: Patchset = {
  project: 'example/project',
  branch: 'stable/one',
  change: 111226,
  patchset: 3,
  revision: 'a'.repeat(40),
  ref: 'refs/changes/26/111226/3',
  subject: '- a subject https://example.org/ : SUCCESS in 1s',
  owner: 'An Owner',
  url: 'https://review.example.org/c/example/project/+/111226',
  topic: '',
};
const TREES = [
  { project: PATCHSET.project, branch: PATCHSET.branch, base: 'b'.repeat(40), revision: 'c'.repeat(40) },
];
const VOTE = ['Verified+1 also counts: example-iscsi succeeded, https://logs.example.org/example-iscsi/.'];
/** Enough jobs to exceed the maximum length of a message. */
const MANY_JOBS = 400;

/** The problems of a template that can be found in advance. */
export function tryTemplate(
  template: string,
  report: Pick<ReportSpec, 'helpUrl' | 'messageLimitBytes'> & { readonly pipeline: string },
): readonly TemplateFault[] {
  const faults = templateFaults(template);
  if (faults.length > 0) return faults;
  const problems = trials(report).flatMap((facts) => {
    const { message, meaning } = filledTemplate(facts, template);
    return misreadings(message, meaning);
  });
  return [...new Set(problems)].map((what) => ({ line: 0, what }));
}

function trials({ pipeline, ...spec }: Parameters<typeof tryTemplate>[1]): readonly CommentFacts[] {
  const facts = { review: 'r00000000', pipeline, patchset: PATCHSET, trees: TREES, vote: VOTE, spec };
  const success = job('example-iscsi', 'SUCCESS');
  const each = VERDICTS.map((verdict, index) => job(`example-${index}`, verdict));
  const many = Array.from({ length: MANY_JOBS }, (_, index) => job(`example-${index}`, 'FAILURE'));
  return [[success], each, many, [job('example-fc', 'SKIPPED')]].flatMap((reports) => [
    { ...facts, reports },
    { ...facts, reports, trees: [], patchset: { ...PATCHSET, subject: 'Make it faster', topic: 'a topic' } },
  ]);
}

function job(name: string, verdict: JobReport['verdict']): JobReport {
  return {
    job: name,
    name,
    voting: true,
    verdict,
    reason: verdict === 'SUCCESS' ? '' : `in short: ${verdict} : FAILURE in 1s`,
    lastLine: null,
    evidence: 'published',
    url: `https://logs.example.org/${name}/`,
    durationMs: 61_000,
    results: null,
  };
}
