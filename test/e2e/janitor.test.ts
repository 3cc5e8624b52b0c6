/**
 * A janitor of a real daemon removes 1,000 volumes of a stand-in for a back end: not while a job uses it, and through a
 * SIGKILL in the middle.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Testbed } from './testbed.ts';

const VOLUMES = 1_000;

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());

test('a janitor cleans a back end between two jobs, although the daemon is killed meanwhile', async () => {
  const directory = join(testbed.directory, 'array');
  const volumes = join(directory, 'volumes');
  mkdirSync(volumes, { recursive: true });
  for (let each = 0; each < VOLUMES; each += 1) writeFileSync(join(volumes, `volume-${each}`), '');
  const clean = join(directory, 'clean');
  const script = `#!/bin/sh\necho begun >>'${directory}/begun'\nuntil [ -e '${directory}/go' ]; do sleep 0.1; done\nrm -- '${volumes}'/volume-*\n`;
  writeFileSync(clean, script, { mode: 0o755 });
  const testCase = await testbed.newCase({
    testing: `while [ ! -e '${directory}/open' ]; do sleep 0.1; done\nprintf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n`,
    testTimeout: '5m',
    job: '    backends: [array1]\n',
    top: `backends: {array1: 2}\njanitors: {array1: {backends: [array1], command: [${clean}]}}\n`,
  });
  const json = async (...words: string[]) => JSON.parse((await testCase.runCli(...words, '--json')).text);
  const janitor = async () => (await json('janitors')).janitors[0];
  try {
    const daemon = await testCase.startDaemon();
    await testCase.push('first\n');
    await testCase.eventually('the job runs', () => testCase.jobs()[0]?.state === 'testing.running');
    expect(await testCase.runCli('clean', 'array1', '--reason', 'the pool is full')).toMatchObject({
      code: 0,
    });
    expect(await testCase.runCli('clean', 'array1')).toMatchObject({ code: 5 });
    expect(await janitor()).toMatchObject({
      waits: 'back end array1 is in use by one job',
      last: {
        phase: 'waiting',
        cause: { text: expect.stringMatching(/^requested by .*: the pool is full$/) },
      },
    });
    expect(existsSync(join(directory, 'begun'))).toBe(false);
    writeFileSync(join(directory, 'open'), '');
    await testCase.eventually('the janitor runs', () => existsSync(join(directory, 'begun')));
    await daemon.kill();
    const next = await testCase.startDaemon();
    await testCase.push('second\n');
    await testCase.eventually('the second job waits for the janitor', async () => {
      const { jobs } = await json('jobs');
      return jobs[0]?.queue?.why === 'janitor array1 has back end array1';
    });
    expect(readdirSync(volumes)).toHaveLength(VOLUMES);
    writeFileSync(join(directory, 'go'), '');
    await testCase.eventually(
      'both jobs have ended',
      () => testCase.jobs().length === 2 && testCase.jobs().every(({ ended }) => ended),
    );
    expect(testCase.jobs().map(({ verdict }) => verdict)).toEqual(['SUCCESS', 'SUCCESS']);
    expect(readdirSync(volumes)).toEqual([]);
    expect(readFileSync(join(directory, 'begun'), 'utf8')).toBe('begun\n');
    expect(await janitor()).toMatchObject({ waits: '', last: { outcome: 'succeeded', attempt: 1 } });
    expect(await next.stop()).toBe(0);
    expect(await testCase.findInconsistencies()).toEqual([]);
    expect(await testCase.leftovers()).toEqual([]);
  } finally {
    await testCase.close();
  }
});
