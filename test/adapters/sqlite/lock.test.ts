/** The lock that admits one daemon for each database: refused, taken over, and contended for by real processes. */
import { statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { processStartTicks, takeLock } from '../../../src/adapters/sqlite/lock.ts';
import { OtherProgram } from './processes.ts';
import { type Scratch, scratch } from './rig.ts';

const program = new OtherProgram();
const STARTED = Date.UTC(2026, 0, 2, 3, 4, 5);
let directory: Scratch;
let file: string;

beforeAll(() => program.build());
afterAll(() => program.remove());
beforeEach(() => {
  directory = scratch();
  file = join(directory.path, 'daemon.lock');
});
afterEach(() => directory.remove());

test('a second daemon is refused, with the pid and start time of the first', async () => {
  const other = await program.start('lock', file);
  other.say(String(STARTED));
  expect(await other.line()).toBe('taken');
  expect(() => takeLock(file, 1)).toThrow(
    `another daemon is running on this database: pid ${other.pid}, started 2026-01-02T03:04:05.000Z`,
  );
  expect(() => takeLock(file, 1)).toThrow(
    expect.objectContaining({ retryable: false, hint: expect.stringContaining(`kill ${other.pid}`) }),
  );
  await other.kill();
});

test('one process cannot take the lock twice, and can release it', () => {
  const lock = takeLock(file, STARTED);
  expect(() => takeLock(file, STARTED)).toThrow(`pid ${process.pid}`);
  lock.release();
  takeLock(file, STARTED).release();
});

test('the file is private, and a second try in the same process does not release the lock', async () => {
  writeFileSync(file, '', { mode: 0o644 });
  const lock = takeLock(file, STARTED);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(() => takeLock(file, STARTED)).toThrow(`pid ${process.pid}`);
  const other = await program.start('lock', file);
  other.say(String(STARTED));
  expect(await other.line()).toMatch(/^another daemon is running on this database/);
  await other.kill();
  lock.release();
});

test('the lock of a killed process is taken over at once', async () => {
  const other = await program.start('lock', file);
  other.say(String(STARTED));
  expect(await other.line()).toBe('taken');
  await other.kill();
  const lock = takeLock(file, STARTED);
  lock.release();
});

test('exactly one of several concurrent starts gets the lock', {
  timeout: 120_000,
}, async () => {
  const others = await Promise.all([1, 2, 3, 4, 5, 6].map(() => program.start('lock', file)));
  for (let round = 0; round < 10 && others.length > 1; round += 1) {
    for (const other of others) other.say(String(STARTED));
    const answers = await Promise.all(others.map((other) => other.line()));
    const winners = others.filter((_, index) => answers[index] === 'taken');
    expect(winners).toHaveLength(1);
    for (const answer of answers)
      expect(answer).toMatch(/^(taken|another daemon is running on this database)/);
    // The next round starts with the lock that a kill left.
    const [winner] = winners;
    if (winner === undefined) throw new Error('no winner');
    await winner.kill();
    others.splice(others.indexOf(winner), 1);
  }
  expect(others).toHaveLength(1);
});

test('the last holder is shown only while it lives', async () => {
  const other = await program.start('lock', file);
  other.say(String(STARTED));
  await other.line();
  // The pid of a live process that is not the holder: it was reused.
  writeFileSync(`${file}.holder`, JSON.stringify({ pid: process.pid, startTicks: 1, startedAt: STARTED }));
  expect(() => takeLock(file, 1)).toThrow(/^another daemon is running on this database$/);
  await other.kill();
});

test('reports a missing directory, and a file that is not a lock', () => {
  expect(() => takeLock(join(directory.path, 'no', 'daemon.lock'), 1)).toThrow(
    expect.objectContaining({ name: 'OperationError', hint: 'check that stateDir exists and is writable' }),
  );
  writeFileSync(file, 'this is a text, and long enough to be read as the header of a database file, or not');
  expect(() => takeLock(file, 1)).toThrow(
    expect.objectContaining({ name: 'OperationError', operation: 'lock database' }),
  );
});

test('reads the start time of a process', () => {
  expect(processStartTicks(process.pid)).toBeGreaterThan(0);
  expect(processStartTicks(2 ** 22 + 1)).toBe(0);
});
