/** The check of a template before it is used: finds text that parsers would misread in some comment. */
import { expect, test } from 'vitest';
import { tryTemplate } from '../../../src/machines/comment/check-template.ts';

const REPORT = { helpUrl: 'https://wiki.example.org/Acme_CI', pipeline: 'check', messageLimitBytes: 16_000 };
const SOUND = '{header} {help}\n\n{jobs}\n\n{owner}: {subject}\n{details}\n{tested}\n{run}\n';

test('a valid template passes', () => {
  expect(tryTemplate(SOUND, REPORT)).toEqual([]);
  expect(tryTemplate('{header}\n\n{jobs}\n\n{run}', { ...REPORT, helpUrl: '' })).toEqual([]);
});

test('errors of the text itself come first', () => {
  expect(tryTemplate('{jobs}{run}', REPORT)).toEqual([{ line: 0, what: '{header} is missing' }]);
});

test.each([
  ['header and jobs in one line', '{header} {jobs}\n\n{run}'],
  ['a line with a dash', '{header}\n\n{jobs}\n\n- thank you\n{run}'],
  ['details among the jobs that are indented', '{header}\n\n{jobs}\n  {details}\n\n{run}'],
  ['text before the header', 'Dear {owner}\n\n{header}\n\n{jobs}\n\n{run}'],
  ['more text than fits', `{header}\n\n{jobs}\n\n${'x'.repeat(16_000)}\n{run}`],
])('%s is found, reported once for each error', (_, template) => {
  const faults = tryTemplate(template, REPORT);
  expect(faults.length).toBeGreaterThan(0);
  expect(new Set(faults.map(({ what }) => what)).size).toBe(faults.length);
});
