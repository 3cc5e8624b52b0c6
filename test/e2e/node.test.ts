/**
 * Whole jobs of the built program on a node behind a real sshd: the daemon is killed while a stage runs, and the
 * connection is cut during output. Checks Gerrit, the node's disk and /proc.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { makeKeyPair } from '../../src/demo/gerrit/key-pair.ts';
import { markedProcesses } from '../../src/demo/observer.ts';
import { CuttingProxy } from '../fixtures/cutting-proxy.ts';
import { needs } from '../fixtures/needs.ts';
import { findProgram } from '../fixtures/programs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import type { CaseOptions, TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

const { test } = needs('sshd');

const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

const FAILING_TAP = "printf 'TAP version 14\\n1..1\\nnot ok 1 - detach\\n' >results.tap; exit 1\n";

const PLAYBOOK = `- hosts: node
  gather_facts: false
  vars: {ansible_python_interpreter: '{{ ansible_playbook_python }}'}
  tasks:
    - name: Test
      sos_ci.openstack.run:
        name: test
        argv: [sh, test.sh]
        chdir: '{{ sos_ci.worktree }}'
        environment: {SOS_CI_STAGE: '{{ sos_ci.stage }}', SOS_CI_ATTEMPT: '{{ sos_ci.attempt }}'}
    - name: The last task of the first edition
      ansible.builtin.command: {argv: ['true']}
`;

let testbed: Testbed;
let sshd: Sshd;
let proxy: CuttingProxy;
const cases: TestCase[] = [];
beforeAll(async () => {
  [testbed, sshd] = await Promise.all([Testbed.start(), Sshd.start()]);
  proxy = await CuttingProxy.start(sshd.port);
});
afterEach(async () => {
  for (const testCase of cases.splice(0)) {
    for (const { pid } of await markedProcesses(nodeDirectory(testCase))) process.kill(pid, 'SIGKILL');
    await testCase.close();
  }
});
afterAll(async () => {
  await proxy.close();
  await sshd.close();
  await testbed.stop();
});

/** The node's disk. */
function nodeDirectory(testCase: TestCase): string {
  return join(testbed.directory, `node-of-${testCase.name}`);
}

/** A case whose jobs run on this host as a node, reached through the proxy. @param hosts more hosts of the provider */
async function newCase(options: CaseOptions, hosts = ''): Promise<TestCase> {
  const testCase = await testbed.newCase({
    ...options,
    provider: (name) => `
providers:
  lab:
    type: static
    ssh: {key: ${sshd.keyFile}, user: ${sshd.user}, port: ${proxy.port}, directory: ${testbed.directory}/node-of-${name}, reconnectTimeout: 30s}
    hosts: {one: {host: 127.0.0.1, hostKey: '${sshd.hostKey}'}${hosts}}
    reset: {command: [sh, -c, 'echo cleaned >>${testbed.directory}/cleaned-${name}']}
`,
  });
  mkdirSync(nodeDirectory(testCase));
  cases.push(testCase);
  return testCase;
}

async function finished(testCase: TestCase, change: number): Promise<string> {
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  await testCase.eventually(
    'nothing is left on this host',
    async () => (await testCase.leftovers()).length === 0,
  );
  await testCase.eventually(
    'nothing is left on the node',
    async () => (await leftOnNode(testCase)).length === 0,
  );
  expect(testCase.messages(change)).toHaveLength(1);
  expect(await testCase.findInconsistencies()).toEqual([]);
  return testCase.jobs()[0]?.verdict ?? 'none';
}

async function leftOnNode(testCase: TestCase): Promise<readonly string[]> {
  const processes = (await markedProcesses(nodeDirectory(testCase))).map(
    ({ pid, command }) => `${pid} ${command}`,
  );
  const kept = ['leases/lab', 'host-keys', 'outgoing', 'upkeep'].flatMap((directory) => {
    const path = join(testCase.stateDir, directory);
    return existsSync(path) ? readdirSync(path).map((name) => `${directory}/${name}`) : [];
  });
  return [...processes, ...kept, ...readdirSync(nodeDirectory(testCase))];
}

test('a whole job runs on the node, and leaves nothing there', async () => {
  const testCase = await newCase({
    testing: `pwd; mkdir logs; echo seen >logs/a.txt; ln -s /etc/passwd logs/link\n${TAP}`,
    job: '    logs: [logs]\n',
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  expect(await finished(testCase, change)).toBe('SUCCESS');
  expect(testCase.published('testing.log')).toContain(`${nodeDirectory(testCase)}/one-`);
  expect(testCase.published('a.txt')).toBe('seen\n');
  expect(testCase.published('link')).toBe('');
  expect(await daemon.stop()).toBe(0);
});

test('the daemon is killed in testing: the same process continues and no line is lost', async () => {
  const testCase = await newCase({
    testing: `n=0; while [ "$n" -lt 400 ]; do n=$((n + 1)); echo "line $n"; sleep 0.01; done\n${TAP}note ended\n`,
  });
  const first = await testCase.startDaemon();
  const change = await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  await first.kill();
  await testCase.eventually('the stage has ended', () => testCase.ledger('testing').length === 2);
  const next = await testCase.startDaemon();
  expect(await finished(testCase, change)).toBe('SUCCESS');
  expect(testCase.ledger('testing').filter((line) => line.endsWith('began'))).toHaveLength(1);
  expect(numbered(testCase.published('testing.log'))).toEqual(upTo(400));
  expect(await next.stop()).toBe(0);
});

needs('sshd', 'ansible-playbook').test(
  'the daemon is killed in a playbook that is then edited: the same ansible-playbook continues with what it has read',
  async () => {
    const playbook = join(testbed.directory, 'test.yml');
    const go = join(testbed.directory, 'playbook-was-edited');
    writeFileSync(playbook, PLAYBOOK);
    const testCase = await newCase({
      playbook,
      testing: `while [ ! -e '${go}' ]; do sleep 0.05; done\n${TAP}note ended\n`,
      testTimeout: '2m',
    });
    const ansible = dirname(dirname(findProgram('ansible-playbook') ?? ''));
    mkdirSync(testCase.stateDir, { recursive: true });
    symlinkSync(ansible, join(testCase.stateDir, 'ansible'));
    const first = await testCase.startDaemon();
    const change = await testCase.push();
    await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
    await first.kill();
    writeFileSync(playbook, 'this is no playbook\n');
    const next = await testCase.startDaemon();
    writeFileSync(go, '');
    expect(await finished(testCase, change)).toBe('SUCCESS');
    expect(testCase.ledger('testing').map((line) => line.split(' ').at(-1))).toEqual(['began', 'ended']);
    expect(testCase.published('testing.log')).toContain('TASK [The last task of the first edition]');
    expect(await next.stop()).toBe(0);
  },
);

test('the connection is cut again and again during output: every line arrives once, in order', async () => {
  const testCase = await newCase({
    testing: `n=0; until [ -e '${testbed.directory}/enough' ]; do n=$((n + 1)); echo "line $n"; [ $((n % 100)) -ne 0 ] || sleep 0.01; done\n${TAP}note "$n"\n`,
    testTimeout: '60s',
  });
  const daemon = await testCase.startDaemon();
  const change = await testCase.push();
  await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
  for (let bytes = 5_000; bytes < 40_000; bytes += 7_001) await proxy.cutAfter(bytes);
  writeFileSync(join(testbed.directory, 'enough'), '');
  expect(await finished(testCase, change)).toBe('SUCCESS');
  const [, last] = testCase.ledger('testing').map((line) => Number(line.split(' ').at(-1)));
  expect(numbered(testCase.published('testing.log'))).toEqual(upTo(last ?? 0));
  expect(last).toBeGreaterThan(1_000);
  expect(await daemon.stop()).toBe(0);
});

needs('sshd', 'ssh').test(
  'a held server: the ssh command logs in, even after SIGKILL of the daemon, and release clears the host',
  async () => {
    const go = join(testbed.directory, 'hold-was-requested');
    const secret = join(testbed.directory, 'array-password');
    writeFileSync(secret, 'hunter2-of-the-array\n', { mode: 0o600 });
    const testCase = await newCase({
      testing: `test -s "$SOS_CI_SECRETS/array-password" && echo found >clue\nwhile [ ! -e '${go}' ]; do sleep 0.05; done\n${FAILING_TAP}`,
      testTimeout: '2m',
      job: `    secrets: [{file: ${secret}}]\n    exposesSecretsTo: anyone\n`,
    });
    const first = await testCase.startDaemon();
    const change = await testCase.push();
    await testCase.eventually('testing began', () => testCase.ledger('testing').length > 0);
    const requested = await testCase.runCli('hold', String(change), '--hours', '1', '--reason', 'look');
    expect(requested).toMatchObject({
      code: 0,
      text: expect.stringContaining('it applies to 1 open job now'),
    });
    writeFileSync(go, '');
    await testCase.eventually('the job has ended', () => testCase.allEnded());
    let login = await loginOf(testCase);
    await testCase.eventually('the server is open', async () => {
      login = await loginOf(testCase);
      return login !== null;
    });
    const { command, directory } = login ?? { command: 'false', directory: '' };
    // Not synchronously: the proxy runs in this process.
    const onServer = async (shell: string) =>
      (await promisify(execFile)('sh', ['-c', `${command} '${shell}'`], { timeout: 30_000 })).stdout;
    expect(await onServer(`cat ${directory}/tree/clue; ls ${directory}`)).toMatch(/^found\n(?!.*secrets)/s);
    await first.kill();
    expect(await onServer('echo still here')).toBe('still here\n');
    const next = await testCase.startDaemon();
    const second = await testCase.push('another\n');
    await testCase.eventually('the next job waits for the held host', async () =>
      (await testCase.runCli('jobs', '--open')).text.includes('1 held server (sos-ci holds)'),
    );
    const story = await testCase.runCli('job', testCase.jobs().at(-1)?.id ?? '');
    expect(story.text).toContain('to log in: sos-ci holds');
    expect(await onServer('echo still here')).toBe('still here\n');
    const released = await testCase.runCli('release', String(change), '--reason', 'seen');
    expect(released).toMatchObject({ code: 0, text: expect.stringContaining('is being deleted') });
    await testCase.eventually('the held server is gone', () => !existsSync(directory));
    expect(await finished(testCase, second)).toBe('FAILURE');
    expect(testCase.messages(change)).toEqual([expect.not.stringMatching(/hold|held/)]);
    expect((await testCase.runCli('holds')).text).toBe('no holds\n');
    expect(await next.stop()).toBe(0);
  },
);

/** The first hold's login; null: none yet. */
async function loginOf(
  testCase: TestCase,
): Promise<{ readonly command: string; readonly directory: string } | null> {
  const { holds } = JSON.parse((await testCase.runCli('holds', '--json')).text);
  return holds[0]?.held?.login ?? null;
}

test('a host with another key is quarantined, and jobs use the other host', async () => {
  const { publicKey } = makeKeyPair('');
  const testCase = await newCase(
    { testing: `sleep 1\n${TAP}` },
    `, another: {host: localhost, hostKey: '${publicKey.split(' ').slice(0, 2).join(' ')}'}`,
  );
  const daemon = await testCase.startDaemon();
  const changes = [await testCase.push(), await testCase.push(), await testCase.push()];
  await testCase.eventually('all have ended', () => testCase.jobs().length === 3 && testCase.allEnded());
  expect(testCase.jobs().map(({ verdict, attempt }) => [verdict, attempt])).toEqual(
    changes.map(() => ['SUCCESS', 1]),
  );
  expect(existsSync(join(testCase.stateDir, 'hosts', 'lab', 'another.json'))).toBe(true);
  expect(changes.map((change) => testCase.messages(change).length)).toEqual([1, 1, 1]);
  expect(await daemon.stop()).toBe(0);
});

function numbered(log: string): readonly number[] {
  return log.split('\n').flatMap((line) => (line.startsWith('line ') ? [Number(line.slice(5))] : []));
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}
