/**
 * A real daemon is killed with SIGKILL while it moves a tested and abandoned change to the archive: before and after each
 * transaction that removes rows. Nothing is lost or doubled, and the change is tested again when it is restored.
 */
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { archivedRows, archiveFileName, archiveNumbers } from '../../src/adapters/history-archive/files.ts';
import { openReader } from '../../src/adapters/sqlite/reader.ts';
import { archiveDirectory, databaseFile } from '../../src/app/database-admin.ts';
import type { NumberedRow } from '../../src/engine/ports/store.ts';
import { ACCOUNT, type TestCase } from './case.ts';
import { pollDelay } from './daemon-process.ts';
import { Testbed } from './testbed.ts';

const DAYS_LATER = 9;
/** Each poll reads the whole log. */
const POLL_MS = 1_000;
/** The first file has the review and its job, the second one the verdicts of the change. */
const FAULTS = ['before:archive#1', 'after:archive#1', 'before:archive#2', 'after:archive#2'];

const testbeds = new Map<string, Testbed>();
beforeAll(async () => {
  for (const fault of FAULTS) testbeds.set(fault, await Testbed.start());
});
afterAll(async () => {
  for (const testbed of testbeds.values()) await testbed.stop();
});

function presentRows(testCase: TestCase): readonly NumberedRow[] {
  const reader = openReader(databaseFile(testCase.stateDir));
  try {
    return [...reader.log()];
  } finally {
    reader.close();
  }
}

async function rowsInArchive(testCase: TestCase): Promise<readonly NumberedRow[]> {
  const directory = archiveDirectory(testCase.stateDir);
  const rows: NumberedRow[] = [];
  for (const number of await archiveNumbers(directory))
    for await (const row of archivedRows(join(directory, archiveFileName(number)))) rows.push(row);
  return rows;
}

const sorted = (rows: readonly NumberedRow[]) =>
  rows.map(({ seq, history, version, hash }) => `${seq} ${history}/${version} ${hash}`).sort();
const isOfChange = ({ history }: NumberedRow) => !['stream', 'voting', 'archive'].includes(history);

// The first run of the archive is a minute after the start, so all wait for it at the same time.
test.concurrent.each(FAULTS)(
  'a closed change leaves once although the daemon is killed %s',
  async (fault) => {
    const testbed = testbeds.get(fault);
    if (testbed === undefined) throw new Error('no Gerrit');
    const testCase = await testbed.newCase({ top: 'database: {keep: 8d}\n' });
    try {
      const first = await testCase.startDaemon();
      const change = await testCase.push();
      await testCase.until(() => testCase.messages(change).length > 0);
      await testCase.eventually('the job and its review have ended', () => testCase.allEnded());
      testbed.gerrit.as('dev').abandon(change);
      expect(await first.stop()).toBe(0);
      const before = presentRows(testCase).filter(isOfChange);
      expect(new Set(before.map(({ history }) => history)).size).toBe(3);

      const killed = await testCase.startDaemon(fault, DAYS_LATER);
      await Promise.race([killed.reached(fault), killed.ended]);
      expect(killed.exitCode).toBe(null);
      await killed.kill();
      expect(await testCase.findInconsistencies()).toEqual([]);

      const last = await testCase.startDaemon('list', DAYS_LATER);
      while (presentRows(testCase).some(isOfChange)) await pollDelay(POLL_MS);
      expect(sorted(await rowsInArchive(testCase))).toEqual(sorted(before));
      expect(await testCase.findInconsistencies()).toEqual([]);

      testbed.gerrit.as('dev').restore(change);
      await testCase.until(() => testCase.messages(change).length > 1);
      await testCase.eventually('the job and its review have ended', () => testCase.allEnded());
      expect(await last.stop()).toBe(0);
      expect(testCase.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS']);
      expect(testCase.messages(change)).toHaveLength(2);
      expect(testbed.gerrit.votes(change, ACCOUNT)).toEqual({ Verified: 1 });
      expect(testCase.ledger('testing')).toHaveLength(2);
      expect(await testCase.findInconsistencies()).toEqual([]);
    } finally {
      await testCase.close();
    }
  },
);
