/** The comment template: read relative to the configuration, checked, and rejected with the position of each error. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { PLACEHOLDERS } from '../../../src/machines/comment/template.ts';
import { ROOT } from '../../house/source.ts';

const CONFIG = `\
gerrit: {host: localhost, user: acme-ci, key: key}
report: {template: comment.txt, helpUrl: https://wiki.example.org/Acme_CI}
jobs:
  acme: {project: a/b, testing: {command: [make], exitCodeIsResult: true}}
`;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-template-'));
  writeFileSync(join(dir, 'key'), 'x');
  writeFileSync(join(dir, 'sos-ci.yaml'), CONFIG);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function problems(): readonly string[] {
  try {
    loadConfig(join(dir, 'sos-ci.yaml'));
    return [];
  } catch (thrown) {
    if (!(thrown instanceof ConfigError)) throw thrown;
    return thrown.problems.map(({ line, path, what }) => `${line} ${path}: ${what.replace(dir, '')}`);
  }
}

test('the documentation lists every placeholder', () => {
  const documented = readFileSync(join(ROOT, 'docs', 'configuration.md'), 'utf8');
  const rows = Object.entries(PLACEHOLDERS).map(([name, about]) => `| \`{${name}}\` | ${about} |\n`);
  expect(documented).toContain(rows.join(''));
});

describe('the template', () => {
  test('is read relative to the configuration, and is part of it', () => {
    const text = '{header} {help}\n\n{jobs}\n\n{details}\n{run}\n';
    writeFileSync(join(dir, 'comment.txt'), text);
    expect(loadConfig(join(dir, 'sos-ci.yaml')).report.template).toBe(text);
  });

  test('that is missing is an error of the configuration', () => {
    expect(problems()).toEqual(['2 report.template: /comment.txt there is no such file']);
  });

  test('is rejected line by line', () => {
    writeFileSync(join(dir, 'comment.txt'), '{header}\n{jbos}\nwrite recheck\n{jobs}{run}');
    expect(problems()).toEqual([
      '2 report.template: /comment.txt:2: {jbos} is not a placeholder',
      '2 report.template: /comment.txt:3: contains text that starts CIs',
    ]);
  });

  test('that a parser would misread is rejected', () => {
    writeFileSync(join(dir, 'comment.txt'), 'Hello!\n\n{header}\n\n{jobs}\n\n{run}');
    expect(problems()).toContain(
      '2 report.template: /comment.txt: ciwatch reads the pipeline null for check',
    );
  });
});

test.each([
  ['pipeline', CONFIG.replace('template: comment.txt', 'pipeline: recheck')],
  ['job', CONFIG.replace('template: comment.txt, ', '').replace('  acme:', '  run-acme-ci:')],
])('a %s whose name starts CIs is rejected, because it would be part of each comment', (_, text) => {
  writeFileSync(join(dir, 'sos-ci.yaml'), text);
  expect(problems().join('\n')).toContain('contains text that starts other CIs');
});
