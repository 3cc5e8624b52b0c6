/** The names of rules in decisions are documented with their meanings. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { RULES } from '../../../../src/machines/trigger/rules/rule-names.ts';
import { ROOT } from '../../../house/source.ts';

test('docs/rules.md lists them', () => {
  const documented = readFileSync(join(ROOT, 'docs', 'rules.md'), 'utf8');
  const table = Object.entries(RULES).map(([ruleOf, says]) => `| \`${ruleOf}\` | ${says} |\n`);
  expect(documented.slice(documented.indexOf('| rule | meaning |'))).toBe(
    `| rule | meaning |\n|---|---|\n${table.join('')}`,
  );
});
