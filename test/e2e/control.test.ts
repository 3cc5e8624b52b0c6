/**
 * Operator commands to a real daemon, over its socket and by SIGHUP, with a SIGKILL in between; checked by the stages
 * that ran and by Gerrit's messages.
 */
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

let testbed: Testbed;
beforeAll(async () => {
  testbed = await Testbed.start();
});
afterAll(() => testbed.stop());
/** Closed even if its test fails, so that nothing is left for the next test. */
let current: TestCase | null = null;
afterEach(() => current?.close());

/** A test stage that notes its argument and waits for the file `open` in the case's directory. */
const gated = (testCase: { readonly name: string }) =>
  `note "with $1."
while [ ! -e '${join(testbed.directory, testCase.name)}/open' ]; do sleep 0.1; done
printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n`;

let cases = 0;
async function newCase(testing = gated): Promise<TestCase> {
  cases += 1;
  current = await testbed.newCase({ testing: testing({ name: `case-${cases}` }), testTimeout: '5m' });
  return current;
}
const release = (testCase: TestCase) => writeFileSync(join(testCase.directory, 'open'), '');

/** Runs an operator's command as soon as the daemon listens. */
async function operate(testCase: TestCase, ...args: string[]) {
  let output = await testCase.runCli(...args);
  await testCase.eventually(`${args.join(' ')} is answered`, async () => {
    if (!output.text.includes('no daemon is running')) return true;
    output = await testCase.runCli(...args);
    return false;
  });
  return output;
}

async function queue(testCase: TestCase): Promise<readonly number[]> {
  const { text } = await testCase.runCli('jobs', '--json');
  const { jobs, queue: ids } = JSON.parse(text);
  return ids.map((id: string) => jobs.find((job: { id: string }) => job.id === id).change);
}

const stateOf = (testCase: TestCase, change: number) =>
  testCase.jobs().find((job) => job.change === change)?.state ?? '';
const verdicts = (testCase: TestCase) =>
  testCase
    .jobs()
    .map(({ change, name, verdict }) => `${change} ${name} ${verdict}`)
    .sort();

/** The first runs, the others wait. */
async function pushed(testCase: TestCase, number: number): Promise<readonly number[]> {
  const changes: number[] = [];
  for (let index = 0; index < number; index += 1) changes.push(await testCase.push(`change ${index}\n`));
  await testCase.eventually('the first runs and the others wait', () => {
    const [first = 0, ...others] = changes;
    return (
      stateOf(testCase, first) === 'testing.running' &&
      others.every((change) => stateOf(testCase, change) === 'queued.waiting')
    );
  });
  return changes;
}

async function assertClean(testCase: TestCase): Promise<void> {
  expect(await testCase.findInconsistencies()).toEqual([]);
  expect(await testCase.leftovers()).toEqual([]);
}

test('a command that returned is durable: the daemon is killed after each one', async () => {
  const testCase = await newCase();
  const noDaemon = {
    code: 5,
    text: expect.stringContaining('no daemon is running for this state directory'),
  };
  expect(await testCase.runCli('promote', '1')).toMatchObject({ code: 4 });
  let daemon = await testCase.startDaemon();
  const killed = async () => {
    await daemon.kill();
    daemon = await testCase.startDaemon();
  };
  const [a = 0, b = 0, c = 0] = await pushed(testCase, 3);
  expect(await operate(testCase, 'promote', String(c), '--reason', 'a release waits')).toMatchObject({
    code: 0,
    text: expect.stringContaining('1 job moved to the head of the queue'),
  });
  await daemon.kill();
  expect(await queue(testCase)).toEqual([c, b]);
  expect(await testCase.runCli('promote', String(b))).toMatchObject(noDaemon);
  daemon = await testCase.startDaemon();
  expect(await operate(testCase, 'promote', String(a))).toMatchObject({ code: 1 });
  const ended = await operate(testCase, 'dequeue', String(b));
  expect(ended).toMatchObject({ code: 0, text: expect.stringContaining('was queued') });
  await killed();
  expect(await operate(testCase, 'enqueue', `${b},1`, 'unit')).toMatchObject({ code: 0 });
  await killed();
  expect(await operate(testCase, 'enqueue', String(b), '--json')).toMatchObject({
    code: 5,
    text: expect.stringContaining('already under way'),
  });
  expect(await queue(testCase)).toEqual([c, b]);
  const running = testCase.jobs().find(({ change }) => change === a)?.id ?? '';
  expect(await operate(testCase, 'dequeue', running)).toMatchObject({
    code: 0,
    text: expect.stringContaining('was testing'),
  });
  await killed();
  await testCase.eventually('the next job runs', () => stateOf(testCase, c) === 'testing.running');
  release(testCase);
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  expect(await operate(testCase, 'recheck', String(c), '--reason', 'the mirror is back')).toMatchObject({
    code: 0,
  });
  await killed();
  await testCase.eventually(
    'the recheck has ended',
    () => testCase.jobs().length === 5 && testCase.allEnded(),
  );
  const well = [b, c, c].map((change) => `${change} unit SUCCESS`);
  expect(verdicts(testCase)).toEqual([...well, `${a} unit ABORTED`, `${b} unit ABORTED`].sort());
  expect([a, b, c].map((change) => testCase.messages(change).length)).toEqual([0, 1, 2]);
  await assertClean(testCase);
  expect(await daemon.stop()).toBe(0);
});

test('wait ends with the verdict of a job whose daemon was killed and started again', async () => {
  const testCase = await newCase();
  const daemon = await testCase.startDaemon();
  const [change = 0] = await pushed(testCase, 1);
  const id = testCase.jobs()[0]?.id ?? '';
  const waiting = testCase.runCli('wait', id, '--timeout', '2m');
  await daemon.kill();
  expect(await testCase.runCli('wait', id, '--timeout', '1s')).toMatchObject({
    code: 124,
    text: expect.stringContaining('no daemon is running'),
  });
  const next = await testCase.startDaemon();
  release(testCase);
  expect(await waiting).toMatchObject({ code: 0, text: expect.stringContaining('SUCCESS') });
  expect(testCase.jobs()).toMatchObject([{ id, ended: true, verdict: 'SUCCESS' }]);
  expect(testCase.messages(change).length).toBe(1);
  await assertClean(testCase);
  expect(await next.stop()).toBe(0);
});

test('SIGHUP: an invalid file changes nothing, a valid one applies to later jobs, and a running job continues', async () => {
  const testCase = await newCase();
  const daemon = await testCase.startDaemon();
  const good = readFileSync(testCase.config, 'utf8');
  const [a = 0, b = 0] = await pushed(testCase, 2);
  writeFileSync(testCase.config, good.replace('report:', 'reprot:'));
  daemon.signal('SIGHUP');
  await testCase.eventually('the error is shown', async () => {
    const { text } = await testCase.runCli('status', '--state', testCase.stateDir);
    return text.includes('reprot: unknown key') && text.includes('1 error in');
  });
  expect(daemon.log).toMatch(/sos-ci\.yaml:\d+:\d+: reprot: unknown key/);
  const mistaken = await operate(testCase, 'reload', '--state', testCase.stateDir);
  expect(mistaken).toMatchObject({ code: 3, text: expect.stringContaining('did you mean "report"') });
  expect([stateOf(testCase, a), stateOf(testCase, b)]).toEqual(['testing.running', 'queued.waiting']);
  await daemon.kill();
  writeFileSync(testCase.config, good);
  const next = await testCase.startDaemon();
  await testCase.eventually(
    'the error is forgotten',
    async () => !(await testCase.runCli('status')).text.includes('1 error in'),
  );
  const again = `  again:\n    project: ${testCase.name}\n    testing: {command: [sh, test.sh], results: results.tap}\n`;
  const changed = good
    .replace('postSettleTimeout: 300ms', 'postSettleTimeout: 301ms')
    .replace('[sh, test.sh]', '[sh, test.sh, the-new-way]');
  writeFileSync(testCase.config, `${changed}${again}providers: {local: {slots: 2}}\n`);
  next.signal('SIGHUP');
  await testCase.eventually('the second slot is used', () => stateOf(testCase, b) === 'testing.running');
  await testCase.eventually('what needs a restart is shown', async () =>
    (await testCase.runCli('status')).text.includes('needs a restart: gerrit.postSettleTimeout'),
  );
  const c = await testCase.push('a third\n');
  await testCase.eventually(
    'both jobs of the third wait',
    () =>
      testCase.jobs().filter(({ change, state }) => change === c && state === 'queued.waiting').length === 2,
  );
  expect(await operate(testCase, 'reload')).toMatchObject({
    code: 0,
    text: 'nothing changed; after a restart: gerrit.postSettleTimeout\n',
  });
  release(testCase);
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  expect(verdicts(testCase)).toEqual(
    [`${a} unit SUCCESS`, `${b} unit SUCCESS`, `${c} again SUCCESS`, `${c} unit SUCCESS`].sort(),
  );
  expect([a, b, c].map((change) => testCase.messages(change).length)).toEqual([1, 1, 1]);
  const ways = testCase.ledger('testing').flatMap((line) => / with (.*)\.$/.exec(line)?.[1] ?? []);
  expect(ways.sort()).toEqual(['', '', '', 'the-new-way']);
  const { text } = await testCase.runCli('status', '--json');
  expect(JSON.parse(text).config).toMatchObject({ restart: ['gerrit.postSettleTimeout'], problems: [] });
  await assertClean(testCase);
  await next.stop();
});

test('voting stops after too many failures, and resumes when an operator requests it', async () => {
  const testCase = await newCase(() => "printf 'TAP version 14\\n1..1\\nnot ok 1 - works\\n' >results.tap\n");
  const config = readFileSync(testCase.config, 'utf8');
  writeFileSync(testCase.config, config.replace('report: {', 'report: {maxConsecutiveFailures: 1, '));
  const first = await testCase.startDaemon();
  expect(await operate(testCase, 'resume-voting')).toMatchObject({ code: 1 });
  await testCase.push('a change\n');
  await testCase.eventually('voting has stopped', async () =>
    (await testCase.runCli('status')).text.includes('then: sos-ci resume-voting'),
  );
  expect(await operate(testCase, 'resume-voting', '--reason', 'fixed')).toMatchObject({
    code: 0,
    text: 'voting is on again\n',
  });
  await first.kill();
  const second = await testCase.startDaemon();
  expect(await operate(testCase, 'resume-voting')).toMatchObject({ code: 1 });
  await testCase.eventually('all jobs have ended', () => testCase.allEnded());
  await assertClean(testCase);
  await second.stop();
});

test('what an ended job left behind is listed and removed, without a daemon and through it', async () => {
  const testCase = await newCase(() => "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n");
  const first = await testCase.startDaemon();
  await testCase.push('a change\n');
  await testCase.eventually('the job has ended', () => testCase.jobs().length === 1 && testCase.allEnded());
  await first.stop();
  const job = testCase.jobs()[0]?.id ?? '';
  const left = join(testCase.stateDir, 'runs', job, '1');
  const leave = () => mkdirSync(left, { recursive: true });
  leave();
  expect(await testCase.runCli('leaks')).toMatchObject({
    code: 1,
    text: expect.stringContaining('first seen'),
  });
  expect(await testCase.runCli('gc', '--dry-run')).toMatchObject({
    code: 1,
    text: expect.stringContaining('1 resource would be removed, 0 left'),
  });
  expect(existsSync(left)).toBe(true);
  expect(await testCase.runCli('gc', '--reason', 'the disk is full')).toMatchObject({
    code: 0,
    text: expect.stringContaining('1 resource removed, 0 left'),
  });
  expect(existsSync(left)).toBe(false);
  const second = await testCase.startDaemon();
  leave();
  expect(await operate(testCase, 'gc')).toMatchObject({ code: 0 });
  expect(await testCase.runCli('leaks')).toMatchObject({ code: 0 });
  const { text } = await testCase.runCli('job', job);
  expect(text.match(/ removed evidence on this host/g)).toHaveLength(2);
  expect(text).toContain('removes evidence on this host: the disk is full');
  await assertClean(testCase);
  expect(await second.stop()).toBe(0);
});

test('operators get responses while malformed requests and idle connections arrive', async () => {
  const testCase = await newCase();
  const daemon = await testCase.startDaemon();
  expect(await operate(testCase, 'resume-voting')).toMatchObject({ code: 1 });
  expect(statSync(join(testCase.stateDir, 'control.sock')).mode & 0o777).toBe(0o600);
  const inputs: readonly (string | Buffer)[] = [
    '',
    '\n',
    'GET / HTTP/1.1\r\n\r\n',
    'null\n',
    '{"format":1,"who":"eve","why":"","request":{"do":"__proto__"}}\n',
    '{"format":1,"who":"eve","why":"","request":{"do":"enqueue","change":-1,"patchset":null,"jobs":[]}}\n',
    '{"format":1,"who":"\u001b[2J","why":"","request":{"do":"dequeue","target":{"job":"../../etc"}}}\n',
    `${'['.repeat(60_000)}\n`,
    'x'.repeat(1_000_000),
    Buffer.from([0, 255, 254, 0x80, 0x0a]),
  ];
  // Twice as many idle connections as the daemon accepts.
  const silent = await Promise.all(Array.from({ length: 32 }, () => connected(testCase)));
  const answers = await Promise.all(inputs.map((text) => answerTo(testCase, text)));
  for (const output of answers) expect(output).toMatch(/^(\{"ok":false.*\n)?$/);
  expect(await operate(testCase, 'resume-voting')).toMatchObject({ code: 1 });
  for (const socket of silent) socket.destroy();
  expect(daemon.log).not.toContain('crash');
  expect(await daemon.stop()).toBe(0);
});

async function connected(testCase: TestCase): Promise<Socket> {
  const socket = connect(join(testCase.stateDir, 'control.sock'));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return socket;
}

/** The response until the daemon closes the connection; '' also if it closes before the request ends. */
async function answerTo(testCase: TestCase, text: string | Buffer): Promise<string> {
  const socket = await connected(testCase);
  let output = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end(text);
  await closed;
  return output;
}
