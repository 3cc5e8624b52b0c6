import { execFile, spawnSync } from 'node:child_process';
import {
  chmodSync,
  createReadStream,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readSubunit } from '../../src/adapters/results/subunit/report.ts';
import { PackageMirror } from '../../src/demo/package-mirror.ts';
import {
  CHANGES,
  FAILING_TEST,
  FAILING_TEST_ID,
  type SampleChange,
  sampleFiles,
} from '../../src/demo/sample-project.ts';
import { findProgram } from '../fixtures/programs.ts';

const mirror = new PackageMirror();
const directories: string[] = [];
beforeAll(() => mirror.open());
afterAll(async () => {
  await mirror.close();
  for (const directory of directories) rmSync(directory, { recursive: true, force: true });
});

describe('the suite of the sample project', () => {
  test.each([
    ['as it is', null, 0, []],
    ['with the change that passes', CHANGES.passes, 0, []],
    ['with the change that fails', CHANGES.fails, 1, [FAILING_TEST]],
    ['with the reworded error', CHANGES.reworded, 0, []],
    ['with the documentation', CHANGES.documented, 0, []],
    ['with the change that conflicts with the first one', CHANGES.conflicts, 0, []],
  ] as const)('%s', async (_name, change, code, failures) => {
    const directory = await checkout(change);
    expect((await run(directory, './stack.sh')).code).toBe(0);
    expect((await run(directory, './run-tests.sh')).code).toBe(code);
    const results = readFileSync(path.join(directory, 'results.tap'), 'utf8');
    expect([...results.matchAll(/^not ok \d+ - (.*)$/gm)].map((match) => match[1])).toEqual(failures);
    expect(results.match(/^ok /gm)?.length).toBeGreaterThan(6);
    expect(readFileSync(path.join(directory, 'logs', 'ticks.txt'), 'utf8')).toMatch(/^1 \d+ \d+\n/);
  });

  test('soaks longer with the long change', () => {
    expect(CHANGES.takesLong.edit()['soak.json']).toMatch(/"seconds": [1-9]/);
  });
});

test('the reporter writes subunit that our reader and python-subunit read', async () => {
  const directory = await checkout(CHANGES.fails);
  await run(directory, './stack.sh');
  const reporter = ['--test-reporter=./subunit-reporter.mjs', '--test-reporter-destination=results.subunit'];
  expect((await run(directory, process.execPath, ['--test', ...reporter])).code).toBe(1);
  const file = path.join(directory, 'results.subunit');
  const results = await readSubunit(createReadStream(file));
  expect(results).toMatchObject({ passed: 7, failed: 1, failures: [FAILING_TEST_ID] });
  const oracle = findProgram('subunit-ls');
  if (oracle === null) return;
  const listed = spawnSync(oracle, { input: readFileSync(file), encoding: 'utf8' });
  expect(listed.stdout.trim().split('\n')).toHaveLength(8);
});

describe('setup', () => {
  test('fetches once, and reports a mirror that does not respond', async () => {
    const directory = await checkout(null);
    await run(directory, './stack.sh');
    expect(mirror.fetches.get(path.basename(directory))).toBe(1);
    const { url } = mirror;
    await mirror.close();
    const down = await run(directory, './stack.sh');
    expect(down.code).toBe(1);
    expect(down.text).toContain(`package mirror ${url} does not respond: ECONNREFUSED`);
    await mirror.open();
    expect(mirror.url).toBe(url);
    expect((await fetch(`${url}/no-such-package.mjs`)).status).toBe(404);
    expect((await fetch(`${url}/../sample/volume.mjs`)).status).toBe(404);
  });
});

/** The files as git would check them out, with a short soak test. */
async function checkout(change: SampleChange | null): Promise<string> {
  const directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-sample-'));
  directories.push(directory);
  const files = { ...(await sampleFiles(mirror.url)), 'soak.json': '{ "seconds": 0.1 }\n' };
  for (const [name, text] of Object.entries({ ...files, ...change?.edit(files) })) {
    const file = path.join(directory, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, text);
    if (name.endsWith('.sh')) chmodSync(file, 0o755);
  }
  return directory;
}

function run(
  directory: string,
  script: string,
  argv: readonly string[] = [],
): Promise<{ code: number; text: string }> {
  const job = path.basename(directory);
  const facts = { SOS_CI_JOB: job, SOS_CI_PROJECT: 'p', SOS_CI_CHANGE: '1', SOS_CI_PATCHSET: '1' };
  const PATH = `${path.dirname(process.execPath)}:${process.env.PATH}`;
  return new Promise((resolve) => {
    const child = execFile(
      script,
      argv,
      { cwd: directory, env: { PATH, ...facts } },
      (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, text: stdout + stderr }),
    );
  });
}
