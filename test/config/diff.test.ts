/** Differences between two configurations, by key: those that apply at once, and those that need a restart. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { activeAfter, difference } from '../../src/config/diff.ts';
import { listKeys } from '../../src/config/key-reference.ts';
import { loadConfig } from '../../src/config/load.ts';

let dir: string;
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  for (const name of ['key', 'other-key']) writeFileSync(join(dir, name), 'key');
  writeFileSync(join(dir, 'secret'), 'a secret value');
});
afterAll(() => rmSync(dir, { recursive: true }));

const GERRIT = 'gerrit: {host: localhost, user: acme-ci, key: ./key}';
const JOB = "acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}";

function load(text: string, gerrit = GERRIT, jobs = JOB): Config {
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, `${gerrit}\n${text}\njobs: {${jobs}}\n`);
  return loadConfig(file);
}

const differences = (one: Config, other: Config) => difference(one, one, other);

describe('keys that apply at once', () => {
  test.each([
    ['report: {label: Verified, success: 1}', ['report.label', 'report.success']],
    ['report: {jobTimeout: 1h}', ['report.jobTimeout']],
    ['triggers: {supersede: queued}', ['triggers.supersede']],
    ['triggers: {includeWip: true}', ['triggers.includeWip']],
    ['git: {merge: false}', ['git.merge']],
    ['projects: {p: {concurrency: 1}}', ['projects.p']],
    ['headStart: {recheck: 1m}', ['headStart.recheck']],
    ['providers: {local: {slots: 2}}', ['providers.local']],
    ['redact: [{file: ./secret}]', ['redact']],
    ['triggers: {maxOpenJobs: 1}', ['triggers.maxOpenJobs']],
  ])('%s', (text, changed) => {
    expect(differences(load(''), load(text))).toEqual({ changed, restart: [] });
  });

  test('added, removed and changed jobs', () => {
    const [before, after] = [
      load('', GERRIT, `${JOB}, old: ${JOB.slice(6)}`),
      load('', GERRIT, `${JOB.replace("'true'", "'false'")}, new: ${JOB.slice(6)}`),
    ];
    expect(differences(before, after)).toEqual({
      changed: ['jobs.acme', 'jobs.new', 'jobs.old'],
      restart: [],
    });
  });

  test('do not differ if only the notation differs', () => {
    expect(differences(load(''), load('providers: {local: {slots: 1}}'))).toEqual({
      changed: [],
      restart: [],
    });
  });
});

describe('keys that apply after the next start', () => {
  test.each([
    [GERRIT.replace('localhost', '127.0.0.1'), '', ['gerrit.host']],
    [GERRIT.replace('./key', './other-key'), '', ['gerrit.key']],
    [GERRIT.replace('acme-ci', 'other-ci'), '', ['gerrit.user']],
    [GERRIT.replace('user', 'name: Acme CI, user'), '', ['gerrit.name']],
    [GERRIT, 'monitoring: {interval: 7m}', ['monitoring.interval']],
    [GERRIT, 'git: {maxCacheSize: 7GB}', ['git.maxCacheSize']],
    [GERRIT, 'stateDir: ./elsewhere', ['stateDir']],
    [GERRIT, 'logs: {dir: ./pub}', ['logs.dir']],
    [
      GERRIT,
      'logs: {url: "https://l.example", ssh: {host: l, user: ci, key: ./key, dir: /srv}}',
      ['logs.ssh', 'logs.url'],
    ],
    [
      GERRIT,
      'mail: {from: a@b.c, to: [a@b.c], sendmail: [/bin/true]}',
      ['mail.alarmsTo', 'mail.from', 'mail.on', 'mail.sendmail', 'mail.to'],
    ],
    [GERRIT, 'log: {level: debug}', ['log.level']],
  ])('%s %s', (gerrit, text, restart) => {
    expect(differences(load(''), load(text, gerrit))).toEqual({ changed: [], restart });
  });

  test('are reported until they have the same values as at the start', () => {
    const started = load('');
    const next = load('stateDir: ./elsewhere\nreport: {jobTimeout: 1h}');
    const inForce = activeAfter(started, next);
    const again = load('stateDir: ./elsewhere\nreport: {jobTimeout: 2h}');
    expect(difference(inForce, started, again)).toEqual({
      changed: ['report.jobTimeout'],
      restart: ['stateDir'],
    });
    expect(difference(inForce, started, load(''))).toEqual({ changed: ['report.jobTimeout'], restart: [] });
  });
});

test('the configuration in force has the reloadable keys of the new file, and all others from the start', () => {
  const started = load('');
  const next = load(
    'stateDir: ./elsewhere\nreport: {jobTimeout: 1h}\ngit: {merge: false, maxCacheSize: 1GB}\ntriggers: {supersede: never, maxOpenJobs: 7}',
    GERRIT.replace('acme-ci', 'other-ci'),
  );
  const inForce = activeAfter(started, next);
  expect(inForce).toMatchObject({
    stateDir: started.stateDir,
    gerrit: started.gerrit,
    report: { jobTimeoutMs: 3_600_000 },
    limits: { maxOpenJobs: 7 },
    prepare: { merge: false },
    git: started.git,
    triggers: { supersede: 'never', account: 'acme-ci' },
  });
});

test('every reported key is a key of the file, or a mapping of keys', () => {
  const { written } = load('mail: {from: a@b.c, to: [a@b.c], sendmail: [/bin/true]}');
  const known = listKeys().map(({ path }) => path.replaceAll('[]', ''));
  const unknown = Object.keys(written).filter((key) => {
    const path = key.replace(/^(jobs|providers|projects)\.[^.]+/, '$1.NAME');
    return !known.some((other) => `${other}.`.startsWith(`${path}.`));
  });
  expect(unknown).toEqual([]);
  expect(Object.keys(written).length).toBeGreaterThan(40);
});
