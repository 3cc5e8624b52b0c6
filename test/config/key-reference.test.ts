import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { keysMarkdown } from '../../src/cli/commands/config-check.ts';
import { keysAt, listKeys, suggestKey } from '../../src/config/key-reference.ts';
import { ROOT } from '../house/source.ts';

const documented = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8');

describe('the documentation', () => {
  test('has every key with its unit, default and meaning (sos-ci config keys --markdown)', () => {
    expect(documented.slice(documented.indexOf('| key |'))).toBe(keysMarkdown(listKeys()));
  });

  test('says something of each', () => {
    for (const key of listKeys()) {
      expect(key.about, key.path).toMatch(/^.{5,}$/);
      expect(key.kind, key.path).not.toBe('');
    }
  });
});

describe('a suggestion', () => {
  test('is the nearest key of the same mapping', () => {
    expect(suggestKey(['gerrit'], 'hots')).toBe('did you mean "host"?');
  });

  test('is a key of the same name elsewhere', () => {
    expect(suggestKey(['jobs', 'x'], 'bootTimeout')).toBe('did you mean jobs.NAME.limits.bootTimeout?');
  });

  test('is otherwise all that is known', () => {
    expect(suggestKey(['redact', 0], 'zzz')).toBe('known here: file, env');
  });

  test('is found inside names, lists and defaults', () => {
    expect(keysAt(['jobs', 'any name', 'testing'])).toContain('results');
    expect(keysAt(['report', 'nothing', 'here'])).toEqual([]);
  });
});
