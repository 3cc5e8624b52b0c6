/**
 * For any names of jobs, branches and files, any reasons and output, with and without a template: every reader shows
 * exactly the jobs and verdicts of the review, no CI is started, and the message is within its limit.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { misreadings } from '../../../src/machines/comment/check-parsers.ts';
import { type CommentFacts, commentParts, renderComment } from '../../../src/machines/comment/comment.ts';
import { composeComment, filledTemplate } from '../../../src/machines/comment/compose.ts';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import { VERDICTS } from '../../../src/machines/model/verdict.ts';
import { runs } from '../../fixtures/effort.ts';
import { commentFacts, jobReport, PATCHSET, reportSpec } from '../facts.ts';
import { hostileText } from './hostile.ts';

const TEMPLATE = `\
{header} {help}

{jobs}

Thank you, {owner}, for {subject} ({topic}) in {project} on {branch}.
{details}
{tested}
{run}`;

const verdict = fc.constantFrom(...VERDICTS);
const report: fc.Arbitrary<JobReport> = fc
  .record({
    name: hostileText,
    voting: fc.boolean(),
    verdict,
    reason: hostileText,
    lastLine: fc.option(hostileText),
    url: fc.option(hostileText.map((text) => `https://logs.example.org/${text}/`)),
    durationMs: fc.integer({ min: 0, max: 1e8 }),
    results: fc.constantFrom(null, { passed: 1, failed: 1, skipped: 0, failures: ['x'] }),
  })
  .map((fields) => jobReport(fields));

const facts: fc.Arbitrary<CommentFacts> = fc
  .record({
    // Two jobs cannot have the same name: the configuration is a mapping.
    reports: fc
      .array(report, { minLength: 1, maxLength: 5 })
      .map((reports) => reports.map((each, index) => ({ ...each, name: `${each.name}${index}` }))),
    trees: fc.array(
      fc.record({ project: hostileText, branch: hostileText, base: hostileText, revision: hostileText }),
      { maxLength: 2 },
    ),
    patchset: fc
      .record({
        project: hostileText,
        branch: hostileText,
        subject: hostileText,
        owner: hostileText,
        topic: hostileText,
      })
      .map((fields) => ({ ...PATCHSET, ...fields })),
    wiki: fc.constantFrom(
      '',
      'https://wiki.example.org/Acme_CI',
      'https://wiki.example.org/recheck/run-acme-ci',
    ),
  })
  .map(({ wiki, ...fields }) => commentFacts({ ...fields, spec: reportSpec({ helpUrl: wiki }) }));

test('every parser reads the built-in comment as intended', () => {
  fc.assert(
    fc.property(facts, (some) => {
      expect(misreadings(renderComment(some), commentParts(some).meaning)).toEqual([]);
    }),
    { seed: 20261122, numRuns: runs(1_000) },
  );
});

test('the intended reading has one line with the verdict of each job', () => {
  fc.assert(
    fc.property(facts, (some) => {
      const ran = some.reports.filter((each) => each.verdict !== 'SKIPPED');
      const shown = ran.length > 0 ? ran : some.reports;
      const ours: readonly string[] = ['NODE_FAILURE', 'RETRY_LIMIT'];
      const wanted = shown.map((each) => (ours.includes(each.verdict) ? 'ERROR' : each.verdict));
      const { meaning } = commentParts(some);
      expect(meaning.jobs.map((job) => job.verdict)).toEqual(wanted);
      expect(new Set(meaning.jobs.map((job) => job.name)).size).toBe(shown.length);
      const bad = shown.some(
        (each) => each.voting && each.verdict !== 'SUCCESS' && each.verdict !== 'SKIPPED',
      );
      expect(meaning.status).toBe(bad ? 'failed' : 'succeeded');
    }),
    { seed: 20261122, numRuns: runs(1_000) },
  );
});

test('a valid template is used, whatever its values, and read as intended', () => {
  fc.assert(
    fc.property(facts, (some) => {
      const { message, complaints } = composeComment(some, TEMPLATE);
      expect(complaints).toEqual([]);
      expect(misreadings(message, filledTemplate(some, TEMPLATE).meaning)).toEqual([]);
      expect(message).toContain('Thank you, ');
      const { jobs } = commentParts(some).meaning;
      expect(message.split('\n').filter((line) => /^[-*] /.test(line))).toHaveLength(jobs.length);
    }),
    { seed: 20261122, numRuns: runs(1_000) },
  );
});

describe('the check rejects a template that', () => {
  test.each([
    ['has no header', 'Hello\n\n{jobs}\n\n{run}', "Gerrit's results tab does not recognize it as a result"],
    [
      'has its header too late for ciwatch',
      'Hello\n\n{header}\n\n{jobs}\n\n{run}',
      'ciwatch reads the pipeline null for check',
    ],
    ['has no jobs', '{header}\n\n{run}', 'cireporter does not show acme-dsvm SUCCESS'],
    [
      'shows the jobs twice',
      '{header}\n\n{jobs}\n\n{jobs}\n\n{run}',
      "Gerrit's results tab shows a job twice",
    ],
    ['makes a list of the jobs', '{header}\n\n1. {jobs}\n\n{run}', 'does not show acme-dsvm SUCCESS'],
  ])('%s', (_, template, complaint) => {
    const { message, meaning } = filledTemplate(commentFacts(), template);
    expect(misreadings(message, meaning).join('\n')).toContain(complaint);
  });
});

describe('a template whose text', () => {
  test.each([
    ['cannot be found again', '{header}\n\n{jobs}', 'the line "sos-ci review review-1" is missing'],
    ['has a line that looks like a job', '{header}\n\n- well\n\n{jobs}\n\n{run}', 'a dash or a star'],
    [
      'contains a recheck command',
      '{header}\n\n{jobs}\n\nPlease recheck\n{run}',
      'it contains text that starts other CIs',
    ],
    ['is too long', `{header}\n\n{jobs}\n\n${'x'.repeat(16_000)}\n{run}`, 'bytes, more than 16000'],
  ])('%s is replaced by the built-in text', (_, template, complaint) => {
    const some = commentFacts();
    const { message, complaints } = composeComment(some, template);
    expect(message).toBe(renderComment(some));
    expect(complaints.join('\n')).toContain(complaint);
  });

  test('without a template there is no error', () => {
    expect(composeComment(commentFacts(), null)).toEqual({
      message: renderComment(commentFacts()),
      complaints: [],
    });
  });
});
