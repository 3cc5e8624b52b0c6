/** The keys of the queue: meaning, defaults, and limits that would have no effect. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  writeFileSync(join(dir, 'key'), 'key');
});
afterEach(() => rmSync(dir, { recursive: true }));

const job = (project: string, more = '') =>
  `{project: ${project}, ${more}testing: {command: ['true'], exitCodeIsResult: true}}`;

function load(text: string, jobs = `{acme: ${job('openstack/cinder')}}`) {
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, `gerrit: {host: localhost, user: acme-ci, key: ./key}\n${text}\njobs: ${jobs}\n`);
  return loadConfig(file);
}

function mistakes(text: string, jobs?: string): readonly string[] {
  try {
    load(text, jobs);
  } catch (error) {
    if (error instanceof ConfigError) return error.message.replaceAll(`${dir}/`, '').split('\n');
    throw error;
  }
  return [];
}

test('by default projects take turns, a recheck has a head start, and newer patchsets cancel older ones', () => {
  const config = load('');
  expect(config.projects).toEqual({});
  expect(config.headStartsMs).toEqual({ patchset: 0, recheck: 600_000, restored: 0, vote: 0, ready: 0 });
  expect(config.jobs.map(({ concurrency }) => concurrency)).toEqual([null]);
  expect(config.triggers.supersede).toBe('running');
});

test('all keys together', () => {
  const config = load(
    `projects:
  openstack/cinder: {concurrency: 2, priority: 1h}
  openstack/os-brick: {}
backends: {array1: 2}
headStart: {recheck: 0s}
triggers: {supersede: queued}`,
    `{acme: ${job("['openstack/*']", 'concurrency: 3, backends: [array1], ')}}`,
  );
  expect(config.backends).toEqual({ array1: 2 });
  expect(config.jobs[0]?.spec.backends).toEqual(['array1']);
  expect(config.projects).toEqual({
    'openstack/cinder': { concurrency: 2, priorityMs: 3_600_000 },
    'openstack/os-brick': { concurrency: null, priorityMs: 0 },
  });
  expect(config.headStartsMs).toMatchObject({ recheck: 0, patchset: 0 });
  expect(config.jobs[0]?.concurrency).toBe(3);
  expect(config.triggers.supersede).toBe('queued');
});

test.each([
  [
    'projects: {openstack/cindr: {concurrency: 1}}',
    'sos-ci.yaml:2:29: projects.openstack/cindr: no job tests this project, so this has no effect; did you mean "openstack/cinder"?',
  ],
  [
    "projects: {'openstack/*': {}}",
    'sos-ci.yaml:2:27: projects.openstack/*: is a pattern, but must be a name; write each project that needs its own limit',
  ],
  [
    'projects: {openstack/cinder: {concurrency: 0}}',
    'sos-ci.yaml:2:44: projects.openstack/cinder.concurrency: must be from 1 to 1000, not 0',
  ],
  ['headStart: {rechek: 1m}', 'sos-ci.yaml:2:13: headStart.rechek: unknown key; did you mean "recheck"?'],
  [
    'triggers: {supersede: always}',
    'sos-ci.yaml:2:23: triggers.supersede: must be one of running, queued, never, not "always"',
  ],
])('%s is an error', (text, mistake) => {
  expect(mistakes(text)).toEqual([mistake]);
});

test.each([
  [
    '{}',
    'array1',
    'sos-ci.yaml:3:69: jobs.acme.backends.0: there is no back end "array1"; add it: backends: {array1: 1}',
  ],
  [
    '{array1: 1}',
    'aray1',
    'sos-ci.yaml:3:69: jobs.acme.backends.0: there is no back end "aray1"; did you mean "array1"?',
  ],
  ['{array1: 1}', 'array1, array1', 'sos-ci.yaml:3:77: jobs.acme.backends.1: is named twice; remove one'],
  ['{array1: 0}', 'array1', 'sos-ci.yaml:2:20: backends.array1: must be from 1 to 1000, not 0'],
  [
    '{array1: 1, the array: 1}',
    'array1',
    'sos-ci.yaml:2:23: backends.the array: the name has a space in it; write it with dashes: the-array',
  ],
])('the back ends %s and a job that uses %s are an error', (backends, used, mistake) => {
  const jobs = `{acme: ${job('openstack/cinder', `concurrency: 3, backends: [${used}], `)}}`;
  expect(mistakes(`backends: ${backends}`, jobs)).toEqual([mistake]);
});

test('a limit of a project is valid if any pattern of a job matches it', () => {
  const jobs = `{one: ${job('other')}, two: ${job("[x, 'openstack/*']")}}`;
  expect(mistakes('projects: {openstack/nova: {concurrency: 1}}', jobs)).toEqual([]);
});
