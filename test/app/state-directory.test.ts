/** A database file that is deleted or replaced while the daemon uses it. */
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StateDirectory } from '../../src/app/state-directory.ts';
import type { Alarm } from '../../src/machines/model/alarm.ts';
import { FakeLog } from '../fakes/log.ts';

let stateDir: string;
let file: string;
let directory: StateDirectory;
let raised: Alarm[];
const check = (): void => directory.checkIdentity((alarm) => raised.push(alarm));

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'sos-ci-ground-'));
  file = join(stateDir, 'sos-ci.db');
  directory = new StateDirectory(stateDir, null, new FakeLog());
  raised = [];
});
afterEach(() => {
  directory.close();
  rmSync(stateDir, { recursive: true });
});

test('an unchanged file raises nothing', () => {
  check();
  expect(raised).toEqual([]);
});

test('a deleted file raises one alarm, and a restored one clears it', () => {
  renameSync(file, `${file}.away`);
  check();
  check();
  expect(raised).toMatchObject([{ kind: 'database-missing', target: file }]);
  expect(raised[0]?.message).toMatch(/^the file is gone: /);
  renameSync(`${file}.away`, file);
  check();
  expect(raised.at(-1)).toMatchObject({ kind: 'database-missing', cleared: true });
});

test('a replaced file raises an alarm and is not accepted', () => {
  check();
  const noted = readFileSync(`${file}.identity`, 'utf8');
  copyFileSync(file, `${file}.copy`);
  renameSync(`${file}.copy`, file);
  check();
  expect(raised).toMatchObject([{ kind: 'database-missing' }]);
  expect(raised[0]?.message).toMatch(/^another file replaced it: /);
  expect(readFileSync(`${file}.identity`, 'utf8')).toBe(noted);
});
