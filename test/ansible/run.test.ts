/** Long commands on a node survive ansible-playbook and never start twice. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it as unconditional } from 'vitest';
import { until } from '../adapters/local/scratch.ts';
import { needs } from '../fixtures/needs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import { PlaybookScratch } from './playbook.ts';

const { describe, it, exhaustively } = needs('sshd', 'ansible-playbook');
/** The end of a traceback in oslo.log's format. */
const EMPTY = '2026-01-02 03:04:05.678 7 ERROR keystone';

unconditional('the runner of the collection equals the runner of the program', () => {
  const [runner, copy] = ['../../src/adapters/run/runner.sh', '../../ansible/files/runner.sh'].map((file) =>
    readFileSync(new URL(file, import.meta.url), 'utf8'),
  );
  expect(copy).toBe(runner);
});

describe('sos_ci.openstack.run', () => {
  let sshd: Sshd;
  let scratch: PlaybookScratch;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  beforeEach(() => {
    scratch = new PlaybookScratch(sshd);
  });
  afterEach(() => scratch.close());

  /** A task that counts its starts, prints a line, and runs until the file `end` exists. */
  const task = (
    more: object = {},
    text = 'echo x >>"$1/starts"; echo first line; until [ -s "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"',
  ) => ({
    name: 'Run it',
    'sos_ci.openstack.run': {
      name: 'stack',
      argv: ['sh', '-c', text, 'sh', scratch.root],
      timeout: 60,
      ...more,
    },
    register: 'ran',
  });
  const show = {
    name: 'Show',
    'ansible.builtin.debug': {
      msg: 'rc={{ ran.rc }} how={{ ran.how }} attached={{ ran.attached }} last={{ ran.stdout_lines[-1] }} in={{ ran.directory }}.',
    },
  };
  const ofJob = () => ({
    sos_ci: { run_directory: join(scratch.root, 'runs', 'testing'), server: 'node-1' },
  });
  const starts = () => readFileSync(join(scratch.root, 'starts'), 'utf8');

  exhaustively.it(
    'shows output while the command runs, and fails with its exit code and the last line that says something',
    async () => {
      const started = scratch.start([
        task(
          {},
          `echo one; printf '\\033[01;31mthe last line\\033[00m\\n${EMPTY} \\033[00m\\n'; until [ -s "$1/end" ]; do sleep 0.05; done; exit 3`,
        ),
      ]);
      await until('the first line', () => started.output().includes('the last line'));
      writeFileSync(join(scratch.root, 'end'), 'now');
      const { code } = await started.ended;
      expect(code).toBe(2);
      expect(scratch.events().find(({ event }) => event === 'failed')).toMatchObject({
        task: 'Run it',
        host: 'node',
        message: 'exit code 3: the last line',
        ignored: false,
      });
    },
  );

  it('survives a killed ansible-playbook, and the next one attaches to it', async () => {
    const first = scratch.start([task(), show], ofJob());
    await until('the first line', () => first.output().includes('first line'));
    process.kill(-(first.child.pid ?? 0), 'SIGKILL');
    await first.ended;
    const second = scratch.start([task(), show], ofJob());
    await until('the first line again', () => second.output().includes('first line'));
    writeFileSync(join(scratch.root, 'end'), '0');
    const { code, output } = await second.ended;
    expect(output).toContain('rc=0 how=exited attached=True last=first line');
    expect([code, starts()]).toEqual([0, 'x\n']);
    // The result of a run that has ended is the same.
    const third = await scratch.run([task(), show], ofJob());
    expect(third.output).toContain('rc=0 how=exited attached=True last=first line');
    expect(starts()).toBe('x\n');
  });

  exhaustively.it('starts once when two ansible-playbooks race', async () => {
    writeFileSync(join(scratch.root, 'end'), '0');
    const both = await Promise.all([scratch.run([task()], ofJob()), scratch.run([task()], ofJob())]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(starts()).toBe('x\n');
  });

  exhaustively.it('starts again for each ansible-playbook without sos-ci', async () => {
    writeFileSync(join(scratch.root, 'end'), '0');
    const outputs = [await scratch.run([task(), show]), await scratch.run([task(), show])];
    for (const { output } of outputs) {
      const [, directory = ''] =
        /attached=False last=first line in=(\/var\/tmp\/sos-ci-runs\/[0-9a-f]+-stack)\./.exec(output) ?? [];
      expect(existsSync(join(directory, 'rc'))).toBe(true);
      rmSync(directory, { recursive: true });
    }
    expect(starts()).toBe('x\nx\n');
  });

  exhaustively.it('ends a command and its processes at the time limit', async () => {
    const text = 'sleep 3600 & setsid sleep 3600 & wait';
    const { code, output } = await scratch.run(
      [
        { ...task({ timeout: 1 }, text), failed_when: false },
        { name: 'Show', 'ansible.builtin.debug': { msg: 'rc={{ ran.rc }} {{ ran.how }}' } },
      ],
      ofJob(),
    );
    expect(output).toContain('rc=124 timedOut');
    expect(code).toBe(0);
  });

  exhaustively.it('starts nothing for a job that was stopped', async () => {
    const job = ofJob();
    await scratch.run([
      { name: 'Make', 'ansible.builtin.file': { path: join(scratch.root, 'runs'), state: 'directory' } },
    ]);
    writeFileSync(`${job.sos_ci.run_directory}.stop`, '');
    const { code } = await scratch.run([task()], job);
    expect(code).toBe(2);
    expect(scratch.events().at(-2)).toMatchObject({ event: 'failed', message: 'the job was stopped' });
    expect(existsSync(join(scratch.root, 'starts'))).toBe(false);
  });

  exhaustively.it('hides its output with no_log', async () => {
    const hidden = { ...task({}, 'echo "the secret word"; exit 1'), no_log: true };
    const { output } = await scratch.run([hidden]);
    expect(output).not.toContain('the secret word');
    expect(JSON.stringify(scratch.events())).not.toContain('the secret word');
    expect(scratch.events().find(({ event }) => event === 'failed')).toMatchObject({
      message: 'hidden by no_log',
    });
  });

  exhaustively.it('counts no unreachable host as rescued', async () => {
    await scratch.run([
      {
        name: 'Both',
        block: [{ name: 'Reach', 'ansible.builtin.ping': {}, vars: { ansible_port: 1 } }],
        rescue: [{ name: 'Repair', 'ansible.builtin.ping': {} }],
      },
    ]);
    expect(scratch.events().slice(-2)).toMatchObject([
      { event: 'unreachable', task: 'Reach', ignored: false, rescued: false },
      { event: 'end', hosts: { node: { unreachable: 1, rescued: 0 } } },
    ]);
  });

  exhaustively.it(
    'writes no arguments and no facts, marks ignored failures, and names the first',
    async () => {
      const shell = (name: string, text: string, more: object = {}) => ({
        name,
        'ansible.builtin.command': { argv: ['sh', '-c', text] },
        ...more,
      });
      writeFileSync(join(scratch.root, 'more.yml'), JSON.stringify([shell('Break', 'exit 5')]));
      await scratch.run([
        { name: 'Learn', 'ansible.builtin.setup': { gather_subset: ['!all', 'user'] } },
        shell('Try', 'echo 1>&2 no luck; exit 4 # argument-of-it', { ignore_errors: true }),
        {
          name: 'Both',
          block: [{ name: 'Include', 'ansible.builtin.include_tasks': 'more.yml' }],
          rescue: [shell('Repair', 'true')],
        },
        {
          name: 'Pass on',
          block: [
            shell('Loop', 'test {{ item }} = a || { echo not {{ item }}; exit 1; }', { loop: ['a', 'b'] }),
          ],
          rescue: [
            {
              name: 'Report',
              'ansible.builtin.fail': {
                msg: '{{ ansible_failed_task.name }}: {{ ansible_failed_result.msg }}',
              },
            },
          ],
        },
      ]);
      const failed = scratch.events().filter(({ event }) => event === 'failed');
      expect(failed).toMatchObject([
        { task: 'Try', message: 'no luck', ignored: true, rescued: false },
        { task: 'Break', ignored: false, rescued: true },
        { task: 'Loop', message: 'not b', ignored: false, rescued: true },
        { task: 'Loop', message: 'not b', ignored: false, rescued: false },
      ]);
      expect(JSON.stringify(scratch.events())).not.toMatch(/argument-of-it|ansible_user_id|module_args/);
      expect(scratch.events().at(-1)).toMatchObject({
        event: 'end',
        hosts: { node: { failures: 1, ignored: 1 } },
      });
    },
  );
});
