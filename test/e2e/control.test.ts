/** Operators and a real daemon: over its socket, by SIGHUP, with a SIGKILL in between. Judged by what ran and what Gerrit has. */
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { Case } from './case.ts';
import { Rig } from './rig.ts';

let rig: Rig;
beforeAll(async () => {
  rig = await Rig.start();
});
afterAll(() => rig.stop());
/** A case that failed leaves nothing to the next one. */
let current: Case | null = null;
afterEach(() => current?.close());

/** Tests that end when the test lets them, by a file in the case's folder, and say what they were started with. */
const gated = (one: { readonly name: string }) =>
  `note "with $1."
while [ ! -e '${join(rig.directory, one.name)}/open' ]; do sleep 0.1; done
printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n`;

let cases = 0;
async function newCase(testing = gated): Promise<Case> {
  cases += 1;
  current = await rig.newCase({ testing: testing({ name: `case-${cases}` }), testTimeout: '5m' });
  return current;
}
const open = (one: Case) => writeFileSync(join(one.directory, 'open'), '');

/** An operator's command, as soon as the daemon listens. */
async function operate(one: Case, ...words: string[]) {
  let answer = await one.ask(...words);
  await one.eventually(`${words.join(' ')} is answered`, async () => {
    if (!answer.text.includes('no daemon runs')) return true;
    answer = await one.ask(...words);
    return false;
  });
  return answer;
}

async function queue(one: Case): Promise<readonly number[]> {
  const { text } = await one.ask('jobs', '--json');
  const { jobs, queue: ids } = JSON.parse(text);
  return ids.map((id: string) => jobs.find((job: { id: string }) => job.id === id).change);
}

const stateOf = (one: Case, change: number) => one.jobs().find((job) => job.change === change)?.state ?? '';
const verdicts = (one: Case) =>
  one
    .jobs()
    .map(({ change, name, verdict }) => `${change} ${name} ${verdict}`)
    .sort();

/** The first runs, the others wait. */
async function pushed(one: Case, number: number): Promise<readonly number[]> {
  const changes: number[] = [];
  for (let index = 0; index < number; index += 1) changes.push(await one.push(`change ${index}\n`));
  await one.eventually('the first runs and the others wait', () => {
    const [first = 0, ...others] = changes;
    return (
      stateOf(one, first) === 'testing.running' &&
      others.every((change) => stateOf(one, change) === 'queued.waiting')
    );
  });
  return changes;
}

async function assertClean(one: Case): Promise<void> {
  expect(one.unsound()).toEqual([]);
  expect(await one.leftovers()).toEqual([]);
}

test('what was answered is not lost: a daemon is killed after each command', async () => {
  const one = await newCase();
  const nobody = { code: 5, text: expect.stringContaining('no daemon runs on this state directory') };
  expect(await one.ask('promote', '1')).toMatchObject({ code: 4 });
  let daemon = await one.startDaemon();
  const killed = async () => {
    await daemon.kill();
    daemon = await one.startDaemon();
  };
  const [a = 0, b = 0, c = 0] = await pushed(one, 3);
  expect(await operate(one, 'promote', String(c), '--reason', 'a release waits')).toMatchObject({
    code: 0,
    text: expect.stringContaining('1 job moved to the head of the queue'),
  });
  await daemon.kill();
  expect(await queue(one)).toEqual([c, b]);
  expect(await one.ask('promote', String(b))).toMatchObject(nobody);
  daemon = await one.startDaemon();
  expect(await operate(one, 'promote', String(a))).toMatchObject({ code: 1 });
  const ended = await operate(one, 'dequeue', String(b));
  expect(ended).toMatchObject({ code: 0, text: expect.stringContaining('was queued') });
  await killed();
  expect(await operate(one, 'enqueue', `${b},1`, 'unit')).toMatchObject({ code: 0 });
  await killed();
  expect(await operate(one, 'enqueue', String(b), '--json')).toMatchObject({
    code: 5,
    text: expect.stringContaining('already under way'),
  });
  expect(await queue(one)).toEqual([c, b]);
  const running = one.jobs().find(({ change }) => change === a)?.id ?? '';
  expect(await operate(one, 'dequeue', running)).toMatchObject({
    code: 0,
    text: expect.stringContaining('was testing'),
  });
  await killed();
  await one.eventually('the next has its turn', () => stateOf(one, c) === 'testing.running');
  open(one);
  await one.eventually('all has ended', () => one.allEnded());
  expect(await operate(one, 'recheck', String(c), '--reason', 'the mirror is back')).toMatchObject({
    code: 0,
  });
  await killed();
  await one.eventually('the recheck has ended', () => one.jobs().length === 5 && one.allEnded());
  const well = [b, c, c].map((change) => `${change} unit SUCCESS`);
  expect(verdicts(one)).toEqual([...well, `${a} unit ABORTED`, `${b} unit ABORTED`].sort());
  expect([a, b, c].map((change) => one.messages(change).length)).toEqual([0, 1, 2]);
  await assertClean(one);
  expect(await daemon.stop()).toBe(0);
});

test('SIGHUP: a file with a mistake changes nothing, a good one counts for what comes, and a running job goes on', async () => {
  const one = await newCase();
  const daemon = await one.startDaemon();
  const good = readFileSync(one.config, 'utf8');
  const [a = 0, b = 0] = await pushed(one, 2);
  writeFileSync(one.config, good.replace('report:', 'reprot:'));
  daemon.signal('SIGHUP');
  await one.eventually('the mistake is shown', async () => {
    const { text } = await one.ask('status', '--state', one.stateDir);
    return text.includes('reprot: unknown key') && text.includes('1 mistake in');
  });
  expect(daemon.log).toMatch(/sos-ci\.yaml:\d+:\d+: reprot: unknown key/);
  const mistaken = await operate(one, 'reload', '--state', one.stateDir);
  expect(mistaken).toMatchObject({ code: 3, text: expect.stringContaining('did you mean "report"') });
  expect([stateOf(one, a), stateOf(one, b)]).toEqual(['testing.running', 'queued.waiting']);
  await daemon.kill();
  writeFileSync(one.config, good);
  const next = await one.startDaemon();
  await one.eventually(
    'the mistake is forgotten',
    async () => !(await one.ask('status')).text.includes('mistake'),
  );
  const again = `  again:\n    project: ${one.name}\n    testing: {command: [sh, test.sh], results: results.tap}\n`;
  const changed = good
    .replace('postSettleTimeout: 300ms', 'postSettleTimeout: 301ms')
    .replace('[sh, test.sh]', '[sh, test.sh, the-new-way]');
  writeFileSync(one.config, `${changed}${again}providers: {local: {slots: 2}}\n`);
  next.signal('SIGHUP');
  await one.eventually('the second slot is used', () => stateOf(one, b) === 'testing.running');
  await one.eventually('what needs a restart is shown', async () =>
    (await one.ask('status')).text.includes('needs a restart: gerrit.postSettleTimeout'),
  );
  const c = await one.push('a third\n');
  await one.eventually(
    'both jobs of the third wait',
    () => one.jobs().filter(({ change, state }) => change === c && state === 'queued.waiting').length === 2,
  );
  expect(await operate(one, 'reload')).toMatchObject({
    code: 0,
    text: 'nothing changed; after a restart: gerrit.postSettleTimeout\n',
  });
  open(one);
  await one.eventually('all has ended', () => one.allEnded());
  expect(verdicts(one)).toEqual(
    [`${a} unit SUCCESS`, `${b} unit SUCCESS`, `${c} again SUCCESS`, `${c} unit SUCCESS`].sort(),
  );
  expect([a, b, c].map((change) => one.messages(change).length)).toEqual([1, 1, 1]);
  const ways = one.ledger('testing').flatMap((line) => / with (.*)\.$/.exec(line)?.[1] ?? []);
  expect(ways.sort()).toEqual(['', '', '', 'the-new-way']);
  const { text } = await one.ask('status', '--json');
  expect(JSON.parse(text).config).toMatchObject({ restart: ['gerrit.postSettleTimeout'], problems: [] });
  await assertClean(one);
  await next.stop();
});

test('votes stop by themselves, and are given again when an operator says so', async () => {
  const one = await newCase(() => "printf 'TAP version 14\\n1..1\\nnot ok 1 - works\\n' >results.tap\n");
  const config = readFileSync(one.config, 'utf8');
  writeFileSync(one.config, config.replace('report: {', 'report: {maxConsecutiveFailures: 1, '));
  const first = await one.startDaemon();
  expect(await operate(one, 'resume-voting')).toMatchObject({ code: 1 });
  await one.push('a change\n');
  await one.eventually('voting has stopped', async () =>
    (await one.ask('status')).text.includes('then: sos-ci resume-voting'),
  );
  expect(await operate(one, 'resume-voting', '--reason', 'fixed')).toMatchObject({
    code: 0,
    text: 'voting is on again\n',
  });
  await first.kill();
  const second = await one.startDaemon();
  expect(await operate(one, 'resume-voting')).toMatchObject({ code: 1 });
  await one.eventually('all has ended', () => one.allEnded());
  await assertClean(one);
  await second.stop();
});

test('whatever else comes over the socket, operators are answered', async () => {
  const one = await newCase();
  const daemon = await one.startDaemon();
  expect(await operate(one, 'resume-voting')).toMatchObject({ code: 1 });
  expect(statSync(join(one.stateDir, 'control.sock')).mode & 0o777).toBe(0o600);
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
  // Twice as many as may be connected say nothing and stay.
  const silent = await Promise.all(Array.from({ length: 32 }, () => connected(one)));
  const answers = await Promise.all(inputs.map((text) => answerTo(one, text)));
  for (const answer of answers) expect(answer).toMatch(/^(\{"ok":false.*\n)?$/);
  expect(await operate(one, 'resume-voting')).toMatchObject({ code: 1 });
  for (const socket of silent) socket.destroy();
  expect(daemon.log).not.toContain('crash');
  expect(await daemon.stop()).toBe(0);
});

async function connected(one: Case): Promise<Socket> {
  const socket = connect(join(one.stateDir, 'control.sock'));
  socket.on('error', () => {});
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return socket;
}

/** What comes back until the daemon closes; '' also when it would not listen to the end. */
async function answerTo(one: Case, text: string | Buffer): Promise<string> {
  const socket = await connected(one);
  let answer = '';
  socket.setEncoding('utf8').on('data', (chunk: string) => {
    answer += chunk;
  });
  const closed = new Promise((resolve) => socket.once('close', resolve));
  socket.end(text);
  await closed;
  return answer;
}
