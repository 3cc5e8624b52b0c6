/** A database file that is deleted or replaced while the daemon writes it. */
import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { StateDirectory } from '../../src/app/state-directory.ts';
import type { Alarm } from '../../src/machines/model/alarm.ts';
import { FakeLog } from '../fakes/log.ts';

let stateDir: string;
let file: string;
let ground: StateDirectory;
let raised: Alarm[];
const look = (): void => ground.checkIdentity((alarm) => raised.push(alarm));

beforeEach(() => {
  stateDir = mkdtempSync(join(tmpdir(), 'sos-ci-ground-'));
  file = join(stateDir, 'sos-ci.db');
  ground = new StateDirectory(stateDir, null, new FakeLog());
  raised = [];
});
afterEach(() => {
  ground.close();
  rmSync(stateDir, { recursive: true });
});

test('an unchanged file raises nothing', () => {
  look();
  expect(raised).toEqual([]);
});

test('a deleted file is one alarm, and a restored one clears it', () => {
  renameSync(file, `${file}.away`);
  look();
  look();
  expect(raised).toMatchObject([{ kind: 'database-missing', target: file }]);
  expect(raised[0]?.message).toMatch(/^the file is gone: /);
  renameSync(`${file}.away`, file);
  look();
  expect(raised.at(-1)).toMatchObject({ kind: 'database-missing', cleared: true });
});

test('another file in its place is an alarm, and is not accepted', () => {
  look();
  const noted = readFileSync(`${file}.identity`, 'utf8');
  copyFileSync(file, `${file}.copy`);
  renameSync(`${file}.copy`, file);
  look();
  expect(raised).toMatchObject([{ kind: 'database-missing' }]);
  expect(raised[0]?.message).toMatch(/^another file replaced it: /);
  expect(readFileSync(`${file}.identity`, 'utf8')).toBe(noted);
});
