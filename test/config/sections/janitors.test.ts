/** `janitors`: what each key means, and mistakes. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { nextTime } from '../../../src/config/fields/schedule.ts';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  for (const name of ['key', 'clean.yml']) writeFileSync(join(dir, name), '');
});
afterEach(() => rmSync(dir, { recursive: true }));

const JOBS =
  "jobs: {acme: {project: openstack/cinder, testing: {command: ['true'], exitCodeIsResult: true}}}";

function load(janitor: string) {
  const file = join(dir, 'sos-ci.yaml');
  const gerrit = 'gerrit: {host: localhost, user: acme-ci, key: ./key}\nbackends: {array1: 2, cloud: 1}';
  writeFileSync(file, `${gerrit}\njanitors:\n  tidy: ${janitor}\n${JOBS}\n`);
  return loadConfig(file).janitors[0];
}

function mistakes(janitor: string): readonly string[] {
  try {
    load(janitor);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split('\n').map((line) => line.replace(/^.*sos-ci\.yaml:\d+:\d+: /, ''));
    throw error;
  }
  return [];
}

test('a command with every trigger', () => {
  const built = load(
    '{backends: [array1], command: [./clean, -v], environment: [OS_CLOUD], idle: 10m, schedule: 0 4 * * *, threshold: {command: [count], above: 500}, timeout: 30m}',
  );
  expect(built).toMatchObject({
    spec: {
      name: 'tidy',
      backends: ['array1'],
      work: { command: [join(dir, 'clean'), '-v'], environment: ['OS_CLOUD'] },
      timeoutMs: 1_800_000,
      attempts: 2,
    },
    idleMs: 600_000,
    schedule: '0 4 * * *',
    threshold: { argv: ['count'], environment: ['OS_CLOUD'], above: 500, everyMs: 3_600_000 },
  });
});

test('a playbook that only an operator starts', () => {
  const built = load('{backends: [cloud], playbook: clean.yml}');
  expect(built?.spec.work).toEqual({
    playbook: { file: join(dir, 'clean.yml'), inventory: null, variableFiles: [] },
  });
  expect(built).toMatchObject({ idleMs: null, schedule: null, threshold: null });
});

test('tempest cleanup', () => {
  const built = load(
    '{backends: [cloud], tempest: {program: ./venv/bin/tempest, config: tempest.conf, cloud: lab, project: admin, maxResources: 1500}}',
  );
  expect(built?.spec.work).toEqual({
    tempest: {
      program: join(dir, 'venv/bin/tempest'),
      config: join(dir, 'tempest.conf'),
      cloud: 'lab',
      openrcFile: null,
      project: 'admin',
      maxResources: 1_500,
    },
  });
});

test('schedules are in UTC', () => {
  expect(nextTime('30 4 * * 1', Date.UTC(2026, 2, 29, 0, 0))).toBe(Date.UTC(2026, 2, 30, 4, 30));
  expect(nextTime('0 4 * * *', Date.UTC(2026, 2, 29, 4, 0))).toBe(Date.UTC(2026, 2, 30, 4, 0));
});

test.each([
  [
    '{command: [x]}',
    'janitors.tidy: names no back end, so jobs would run while it cleans; add backends: [NAME]',
  ],
  [
    '{backends: [array], command: [x]}',
    'janitors.tidy.backends.0: there is no back end "array"; did you mean "array1"?',
  ],
  [
    '{backends: [cloud]}',
    'janitors.tidy: has nothing to run; add command: [PROGRAM, ARGUMENT], playbook: PATH or tempest: {...}',
  ],
  [
    '{backends: [cloud], tempest: {config: tempest.conf, project: admin}}',
    'janitors.tidy.tempest: names no cloud; write either cloud or openrc',
  ],
  [
    '{backends: [cloud], tempest: {config: tempest.conf, project: admin, cloud: lab, openrc: ./openrc}}',
    'janitors.tidy.tempest: names two clouds; write either cloud or openrc',
  ],
  [
    '{backends: [cloud], command: [x], playbook: clean.yml}',
    'janitors.tidy: has command and playbook; a janitor runs one of them: remove the other',
  ],
  [
    '{backends: [cloud], command: [x], inventory: hosts}',
    'janitors.tidy.inventory: belongs to a playbook; add playbook: PATH, or remove it',
  ],
  ['{backends: [cloud], command: [x], idle: 1s}', 'janitors.tidy.idle: must be from 1m to 30d, not 1s'],
  [
    '{backends: [cloud], command: [x], schedule: 0 4 30 2 *}',
    'janitors.tidy.schedule: "0 4 30 2 *" never comes; write it like 0 4 * * *',
  ],
])('%s is an error', (janitor, mistake) => {
  expect(mistakes(janitor)[0]).toBe(mistake);
});

test.each(['daily', '0 4 * * * *', '0 25 * * *', '@reboot'])('%s is not a schedule', (schedule) => {
  expect(mistakes(`{backends: [cloud], command: [x], schedule: '${schedule}'}`)[0]).toMatch(
    /^janitors\.tidy\.schedule: ".*" (is not a schedule|never comes)/,
  );
});
