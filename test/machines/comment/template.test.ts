/** The template: which texts are rejected, and how placeholders are filled. */
import { describe, expect, test } from 'vitest';
import { commentParts } from '../../../src/machines/comment/comment.ts';
import { fillTemplate, PLACEHOLDERS, templateFaults } from '../../../src/machines/comment/template.ts';
import { commentFacts, jobReport } from '../facts.ts';

const fill = (template: string, facts = commentFacts()) => fillTemplate(template, commentParts(facts), facts);
const REST = '{header}{jobs}{run}';

describe('a text is rejected', () => {
  test.each([
    ['for an unknown placeholder', `${REST}\n\n{reciept}`, 3, '{reciept} is not a placeholder'],
    ['for an unpaired brace', `${REST}{`, 1, 'unmatched brace: write {{ or }} for a literal one'],
    ['for a command that starts CIs', `${REST}\nTo rerun: recheck`, 2, 'contains text that starts CIs'],
    ['without the header', '{jobs}{run}', 0, '{header} is missing'],
    ['without the jobs', '{header}{run}', 0, '{jobs} is missing'],
    ['without the run', '{header}{jobs}', 0, '{run} is missing'],
  ])('%s', (_, template, line, what) => {
    expect(templateFaults(template)).toEqual([{ line, what }]);
  });

  test('unless it has only literal braces and known placeholders', () => {
    const all = Object.keys(PLACEHOLDERS).map((name) => `{${name}}`);
    expect(templateFaults(`{{x}} ${all.join(' ')}`)).toEqual([]);
  });
});

describe('a template is filled', () => {
  test('with the values of the placeholders', () => {
    const facts = commentFacts({
      reports: [jobReport(), jobReport({ name: 'fc', verdict: 'FAILURE', reason: 'one failed' })],
    });
    expect(fill('{header} {help}\r\n\r\n{jobs}\r\n\r\n{details}\n{tested}\n{run}\n', facts)).toBe(`\
Build failed (check pipeline). How to rerun and whom to ask: https://wiki.example.org/Acme_CI

- acme-dsvm https://logs.example.org/45/912345/3/check/acme-dsvm/job-1/ : SUCCESS in 1h 02m 03s (3 passed, 1 skipped)
- fc https://logs.example.org/45/912345/3/check/acme-dsvm/job-1/ : FAILURE in 1h 02m 03s

fc: one failed
Tested as ${'c'.repeat(40)}: merged onto master at ${'b'.repeat(40)}.
sos-ci review review-1`);
  });

  test('with data of the change', () => {
    expect(fill('{project} {branch} {change},{patchset} {subject} {owner} {status} {pipeline} {wiki}')).toBe(
      'openstack/cinder master 912345,3 Make it faster alice succeeded check https://wiki.example.org/Acme_CI',
    );
  });

  test('without empty lines for empty values', () => {
    expect(fill('a\n\n{details}\n\n{topic}\n\nb  \n')).toBe('a\n\nb');
  });

  test('with literal braces', () => {
    expect(fill('{{header}} {{}}')).toBe('{header} {}');
  });

  test('and foreign text is limited to one line of bounded length', () => {
    const { patchset } = commentFacts();
    const facts = commentFacts({ patchset: { ...patchset, subject: `- x\n${'y'.repeat(1_000)}` } });
    expect(fill('{subject}', facts)).toBe(`x ${'y'.repeat(195)}...`);
  });
});
