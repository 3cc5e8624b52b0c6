/** What is not the same in two configurations: what counts at once, what after the next start, by the keys of the file. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Config } from '../../src/config/config.ts';
import { difference, inForceAfter } from '../../src/config/diff.ts';
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

const found = (one: Config, other: Config) => difference(one, one, other);

describe('what counts at once', () => {
  test.each([
    ['report: {label: Verified, success: 1}', ['report.label', 'report.success']],
    ['report: {wait: 1h}', ['report.wait']],
    ['triggers: {supersede: queued}', ['triggers.supersede']],
    ['prepare: {wip: true}', ['prepare.wip']],
    ['projects: {p: {concurrency: 1}}', ['projects.p']],
    ['priorities: {recheck: 1m}', ['priorities.recheck']],
    ['providers: {local: {slots: 2}}', ['providers.local']],
    ['providers: {local: {deleteTimeout: 7s}}', ['providers.local']],
    ['redact: [{file: ./secret}]', ['redact']],
    ['limits: {queueLength: 1, queuePatience: 1m}', ['limits.queueLength', 'limits.queuePatience']],
  ])('%s', (text, changed) => {
    expect(found(load(''), load(text))).toEqual({ changed, restart: [] });
  });

  test('jobs that come, go and change', () => {
    const [before, after] = [
      load('', GERRIT, `${JOB}, old: ${JOB.slice(6)}`),
      load('', GERRIT, `${JOB.replace("'true'", "'false'")}, new: ${JOB.slice(6)}`),
    ];
    expect(found(before, after)).toEqual({ changed: ['jobs.acme', 'jobs.new', 'jobs.old'], restart: [] });
  });

  test('nothing, when only what other programs of ours read is changed', () => {
    expect(found(load(''), load('doctor: {timeout: 17s}'))).toEqual({ changed: [], restart: [] });
  });

  test('nothing, when the file says the same in other words', () => {
    expect(found(load(''), load('providers: {local: {slots: 1}}'))).toEqual({ changed: [], restart: [] });
  });
});

describe('what counts after the next start', () => {
  test.each([
    [GERRIT.replace('localhost', '127.0.0.1'), '', ['gerrit.host']],
    [GERRIT.replace('./key', './other-key'), '', ['gerrit.key']],
    [GERRIT.replace('acme-ci', 'other-ci'), '', ['gerrit.user']],
    [GERRIT.replace('user', 'name: Acme CI, user'), '', ['gerrit.name']],
    [GERRIT, 'intake: {downAlarm: 7m, retry: 6s}', ['intake.downAlarm', 'intake.retry']],
    [GERRIT, 'git: {cacheSize: 7GB}', ['git.cacheSize']],
    [GERRIT, 'stateDir: ./elsewhere', ['intake.events', 'logs.dir', 'stateDir']],
    [
      GERRIT,
      'limits: {shutdown: 6s, stopGrace: 7s, results: 1MB}',
      ['limits.results', 'limits.shutdown', 'limits.stopGrace'],
    ],
    [GERRIT, 'logs: {fileLimit: 7MB, depth: 3}', ['logs.depth', 'logs.fileLimit']],
    [GERRIT, 'intake: {held: 7}', ['intake.held']],
    [GERRIT, 'log: {level: debug}', ['log.level']],
  ])('%s %s', (gerrit, text, restart) => {
    expect(found(load(''), load(text, gerrit))).toEqual({ changed: [], restart });
  });

  test('is told until it is as it was at the start again', () => {
    const started = load('');
    const next = load('stateDir: ./elsewhere\nreport: {wait: 1h}');
    const inForce = inForceAfter(started, next);
    const again = load('stateDir: ./elsewhere\nreport: {wait: 2h}');
    expect(difference(inForce, started, again)).toEqual({
      changed: ['report.wait'],
      restart: ['intake.events', 'logs.dir', 'stateDir'],
    });
    expect(difference(inForce, started, load(''))).toEqual({ changed: ['report.wait'], restart: [] });
  });
});

test('in force is what counts at once of the new one, and all else of the one at the start', () => {
  const started = load('');
  const next = load(
    'stateDir: ./elsewhere\nreport: {wait: 1h}\nlimits: {queueLength: 7, shutdown: 6s}\ntriggers: {supersede: never}',
    GERRIT.replace('acme-ci', 'other-ci'),
  );
  const inForce = inForceAfter(started, next);
  expect(inForce).toMatchObject({
    stateDir: started.stateDir,
    gerrit: started.gerrit,
    report: { waitTimeoutMs: 3_600_000 },
    limits: { queueLength: 7, shutdownMs: started.limits.shutdownMs },
    triggers: { supersede: 'never', account: 'acme-ci' },
  });
});

test('whatever is told is a key of the file, or the mapping that it stands in', () => {
  const started = load('');
  const other = (value: unknown): unknown =>
    typeof value !== 'object' || value === null
      ? `not ${value}`
      : Array.isArray(value)
        ? [...value, { name: 'more' }]
        : Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, other(inner)]));
  const { changed, restart } = found(started, other(started) as Config);
  const known = listKeys().map(({ path }) => path.replace('NAME', 'more').replaceAll('[]', ''));
  const unknown = [...changed, ...restart].filter(
    (key) => !known.some((path) => `${path}.`.startsWith(`${key}.`)),
  );
  expect(unknown).toEqual([]);
  expect(restart.length).toBeGreaterThan(30);
});
