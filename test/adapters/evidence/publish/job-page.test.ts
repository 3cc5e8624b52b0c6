/** The way from a failed test on the job's page to its traceback and to its line in a log, and between directories. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { type LocalRig, makeRig, writeAt } from '../../logs/rig.ts';
import { encodePacket } from '../../results/subunit/streams.ts';

let rig: LocalRig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

const TEST = 'tempest.api.volume.test_attach.VolumesTest.test_attach';

async function publishFailure(redact: readonly string[], traceback: string, log: string): Promise<string> {
  const stream = [
    encodePacket({ testId: `${TEST}[id-1,smoke]`, status: 'inprogress' }),
    encodePacket({
      testId: `${TEST}[id-1,smoke]`,
      fileName: 'pythonlogging',
      content: Buffer.from('noise'),
      mimeType: 'text/plain',
    }),
    encodePacket({
      testId: `${TEST}[id-1,smoke]`,
      fileName: 'traceback',
      content: Buffer.from(traceback),
      mimeType: 'text/x-traceback',
    }),
    encodePacket({ testId: `${TEST}[id-1,smoke]`, status: 'fail' }),
    encodePacket({
      testId: 'a.skipped',
      fileName: 'reason',
      content: Buffer.from('no <array>'),
      mimeType: 'text/plain',
    }),
    encodePacket({ testId: 'a.skipped', status: 'skip' }),
  ];
  await writeAt(join(rig.tree, 'logs/testr.subunit'), Buffer.concat(stream));
  await rig.writeStageLog(JOB, 1, 'testing', log);
  await writeAt(join(rig.stateDir, 'runs', JOB, '1', 'testing', 'rc'), 'exited 1\n');
  const evidence = rig.start({ redact });
  const subunit = 'logs/testr.subunit';
  await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'], subunit }), NEVER);
  const results = { passed: 0, failed: 1, skipped: 1, failures: [TEST] };
  return evidence.publish(publishRequest({ results }), NEVER);
}

async function read(url: string, path: string): Promise<string> {
  return readFile(join(fileURLToPath(url), path), 'utf8');
}

test('shows a failed test with its traceback, linked to the results and to its line in the log', async () => {
  const log = ['setup', `{0} ${TEST} ... inprogress`, `{0} ${TEST} [1.2s] ... FAILED`, 'after'].join('\n');
  const url = await publishFailure(['hunter22'], 'Traceback:\n  saw hunter22 <b>', log);
  const page = await rig.page(url);
  expect(page).toContain(
    `<a href="./testr_results.html#failed-1"><code>${TEST}[id-1,smoke]</code></a>, ` +
      '<a href="./attempt-1/testing.log.html#L3">line 3 of the log</a>\n' +
      '<pre>Traceback:\n  saw [redacted] &lt;b&gt;</pre>',
  );
  expect(page).toContain('<a href="./attempt-1/testing.log.html#L4">4</a>after');
  expect(await read(url, 'attempt-1/testing.log.html')).toContain('<span id="L3">');
  const results = await read(url, 'testr_results.html');
  expect(results).toContain('<details id="failed-1" open>');
  expect(results).toContain('no &lt;array&gt;');
});

test('shows the end of a long traceback, and removes a secret where it is cut', async () => {
  const secret = 'hunter22';
  // The cut falls into the last copy but one of the secret if the text is cut first.
  const traceback = `${secret}\n`.repeat(20_000 / 9);
  const page = await rig.page(await publishFailure([secret], traceback, 'x'));
  expect(page).toContain('<pre>...\n[redacted]\n');
  expect(page).not.toMatch(/unter22|hunter/);
});

test('each directory has an index with its subdirectories, files, sizes and times', async () => {
  await rig.writeTreeFile(JOB, 'logs/deep/er/a.log', 'x\n');
  const url = await publishFailure([], 'x', 'x');
  const top = await read(url, 'worktree/index.html');
  expect(top).toContain('<a href="../index.html">Parent directory</a>');
  expect(top).toContain('<a href="./logs/index.html">logs/</a>');
  const logs = await read(url, 'worktree/logs/index.html');
  expect(logs).toContain('<a href="./deep/index.html">deep/</a>');
  expect(logs).toMatch(
    /<a href=".\/testr.subunit">testr.subunit<\/a><\/td><td class="number">\d+ B<\/td><td class="number">\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC</,
  );
  expect(await read(url, 'worktree/logs/deep/er/index.html')).toContain(
    '<a href="./a.log.html">a.log</a> (<a href="./a.log">raw</a>)',
  );
  const { pages } = await rig.manifest(url);
  expect(pages.map(({ path }) => path).filter((path) => path.endsWith('index.html'))).toEqual([
    'attempt-1/index.html',
    'worktree/index.html',
    'worktree/logs/index.html',
    'worktree/logs/deep/index.html',
    'worktree/logs/deep/er/index.html',
    'index.html',
  ]);
});
