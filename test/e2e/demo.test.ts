/** The demo as users start it, with the built program: run to the end, and interrupted at the worst time. */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { markedProcesses } from '../../src/demo/observer.ts';
import { readProc } from '../fixtures/proc.ts';
import { findProgram } from '../fixtures/programs.ts';

const PROGRAM = path.join(import.meta.dirname, '../../dist/cli/main.js');

let directory: string;
beforeEach(() => {
  directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'sos-ci-e2e-demo-')));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('proves all of its claims, in this order', async () => {
  const { code, text } = await demo(() => undefined);
  expect(text).not.toContain('NOT TRUE');
  const printed = text
    .split('\n')
    .filter((line) => /^(\d\. | {3}proved )/.test(line))
    .map((line) =>
      line
        .trim()
        .replace(/^proved +/, '- ')
        .replace(/\d+(?= ticks)|(?<=pid )\d+/, 'N'),
    );
  expect(printed).toEqual([
    '1. A change passes',
    '- one message in Gerrit, Verified+1',
    '- no server left',
    '- the logs are readable',
    '- the comment has a line for the job, with SUCCESS',
    '2. A change has a failing test',
    '- one message in Gerrit, Verified-1',
    '- no server left',
    '- the comment says FAILURE',
    '- and names the test "a volume cannot shrink"',
    '3. The daemon is killed with SIGKILL in the middle of testing',
    '- the same process kept running: pid N',
    '- its N ticks have no gap',
    '- setup ran once: the mirror counted one fetch',
    '- one message in Gerrit, Verified+1',
    '- no server left',
    '4. The daemon is killed after Gerrit accepted the review and before that is recorded',
    '- the kill happened between the two',
    '- one message in Gerrit, Verified+1',
    '- no server left',
    '- one review was sent to Gerrit: the daemon looked for it before posting again',
    '5. Setup fails: the package mirror is down',
    '- one message in Gerrit, no vote',
    '- no server left',
    '- the comment never says FAILURE',
    '- it says that setup failed',
    '6. A change conflicts with its branch',
    '- the conflict was found, with the file',
    '- before a server booted',
    '- nothing was posted in Gerrit',
    ...cloudClaims(),
    '- every row of the log replays to the same result',
    '- SIGTERM ends the daemon cleanly',
    '- no process of any job is left',
    '- no server and no unpublished evidence is left',
  ]);
  const histories = findProgram('sshd') === null ? 20 : 23;
  expect(text).toMatch(new RegExp(`^equal: \\d+ rows of ${histories} histories in [\\d.]+m?s$`, 'm'));
  expect(code).toBe(0);
  await expectNothingLeft();
});

test('leaves nothing behind when it is interrupted while tests run and the daemon is dead', async () => {
  const { code, text } = await demo((shown, pid) => {
    if (shown.includes('kill -9')) process.kill(pid, 'SIGINT');
  });
  expect(code).toBe(130);
  expect(text).toContain('Stopping and removing everything.');
  await expectNothingLeft();
});

/** By a playbook where this host has Ansible, otherwise by a script. */
function cloudClaims(): readonly string[] {
  if (findProgram('sshd') === null) return ['7. A server in OpenStack'];
  const how = findProgram('ansible-playbook') === null ? 'script' : 'playbook';
  return [
    `7. A server in OpenStack is set up by a ${how}, and tested`,
    '- one message in Gerrit, Verified-1',
    '- no server left',
    '- one server was ordered from Nova',
    `- the ${how} set it up`,
    '- subunit named the failed test volume.a_volume_cannot_shrink',
    '- testr_results.html has it too',
  ];
}

/** Runs the demo in a separate temporary directory; `watch` gets the whole output so far. */
function demo(watch: (shown: string, pid: number) => void): Promise<{ code: number | null; text: string }> {
  const ansible = path.dirname(findProgram('ansible-playbook') ?? '/nowhere');
  const env = { ...process.env, TMPDIR: directory, PATH: `${process.env.PATH}:${ansible}` };
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [PROGRAM, 'demo'], { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.setEncoding('utf8').on('data', (more: string) => {
      text += more;
      if (child.pid !== undefined) watch(text, child.pid);
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, text }));
  });
}

/** No process of a stage or server, no daemon, no file. */
async function expectNothingLeft(): Promise<void> {
  expect(await markedProcesses(directory)).toEqual([]);
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => readProc(pid, 'cmdline'));
  expect(commands.filter((command) => command.includes(directory))).toEqual([]);
  expect(readdirSync(directory)).toEqual([]);
}
