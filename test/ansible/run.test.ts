/** Long commands on a node: they outlive ansible-playbook, and never start twice. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it as unconditional } from 'vitest';
import { until } from '../adapters/local/scratch.ts';
import { needs } from '../fixtures/needs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import { PlaybookScratch } from './playbook.ts';

const { describe, it } = needs('sshd', 'ansible-playbook');

unconditional('the runner of the collection is that of the program', () => {
  const [ours, theirs] = ['../../src/adapters/run/runner.sh', '../../ansible/files/runner.sh'].map((file) =>
    readFileSync(new URL(file, import.meta.url), 'utf8'),
  );
  expect(theirs).toBe(ours);
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

  /** A task that counts its starts, prints a line, and goes on until `end` is there. */
  const task = (
    more: object = {},
    text = 'echo x >>"$1/begun"; echo first line; until [ -e "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"',
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
  const begun = () => readFileSync(join(scratch.root, 'begun'), 'utf8');

  it('shows output while the command runs, and fails with its exit code and last line', async () => {
    const started = scratch.start([
      task({}, 'echo one; echo "the last line"; until [ -e "$1/end" ]; do sleep 0.05; done; exit 3'),
    ]);
    await until('the first line', () => started.said().includes('the last line'));
    writeFileSync(join(scratch.root, 'end'), '');
    const { code } = await started.ended;
    expect(code).toBe(2);
    expect(scratch.events().find(({ event }) => event === 'failed')).toMatchObject({
      task: 'Run it',
      host: 'node',
      message: 'exit code 3: the last line',
      ignored: false,
    });
  });

  it('goes on when ansible-playbook is killed, and the next one attaches to it', async () => {
    const first = scratch.start([task(), show], ofJob());
    await until('the first line', () => first.said().includes('first line'));
    process.kill(-(first.child.pid ?? 0), 'SIGKILL');
    await first.ended;
    const second = scratch.start([task(), show], ofJob());
    await until('the first line again', () => second.said().includes('first line'));
    writeFileSync(join(scratch.root, 'end'), '0');
    const { code, output } = await second.ended;
    expect(output).toContain('rc=0 how=exited attached=True last=first line');
    expect([code, begun()]).toEqual([0, 'x\n']);
    // The result of a run that has ended is the same.
    const third = await scratch.run([task(), show], ofJob());
    expect(third.output).toContain('rc=0 how=exited attached=True last=first line');
    expect(begun()).toBe('x\n');
  });

  it('starts once when two ansible-playbooks race', async () => {
    writeFileSync(join(scratch.root, 'end'), '0');
    const both = await Promise.all([scratch.run([task()], ofJob()), scratch.run([task()], ofJob())]);
    expect(both.map(({ code }) => code)).toEqual([0, 0]);
    expect(begun()).toBe('x\n');
  });

  it('starts anew for each ansible-playbook without sos-ci', async () => {
    writeFileSync(join(scratch.root, 'end'), '0');
    const outputs = [await scratch.run([task(), show]), await scratch.run([task(), show])];
    for (const { output } of outputs) {
      const [, directory = ''] =
        /attached=False last=first line in=(\/var\/tmp\/sos-ci-runs\/[0-9a-f]+-stack)\./.exec(output) ?? [];
      expect(existsSync(join(directory, 'rc'))).toBe(true);
      rmSync(directory, { recursive: true });
    }
    expect(begun()).toBe('x\nx\n');
  });

  it('ends a command at its time limit, with all that it started', async () => {
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

  it('starts nothing for a job that was stopped', async () => {
    const job = ofJob();
    await scratch.run([
      { name: 'Make', 'ansible.builtin.file': { path: join(scratch.root, 'runs'), state: 'directory' } },
    ]);
    writeFileSync(`${job.sos_ci.run_directory}.stop`, '');
    const { code } = await scratch.run([task()], job);
    expect(code).toBe(2);
    expect(scratch.events().at(-2)).toMatchObject({ event: 'failed', message: 'the job was stopped' });
    expect(existsSync(join(scratch.root, 'begun'))).toBe(false);
  });

  it('keeps its output to itself with no_log', async () => {
    const hidden = { ...task({}, 'echo "the secret word"; exit 1'), no_log: true };
    const { output } = await scratch.run([hidden]);
    expect(output).not.toContain('the secret word');
    expect(JSON.stringify(scratch.events())).not.toContain('the secret word');
    expect(scratch.events().find(({ event }) => event === 'failed')).toMatchObject({
      message: 'hidden by no_log',
    });
  });

  it('writes neither arguments nor facts, and says which failures are ignored', async () => {
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
      shell('Loop', 'test {{ item }} = a || { echo not {{ item }}; exit 1; }', { loop: ['a', 'b'] }),
    ]);
    const failed = scratch.events().filter(({ event }) => event === 'failed');
    expect(failed).toMatchObject([
      { task: 'Try', message: 'no luck', ignored: true, rescued: false },
      { task: 'Break', ignored: false, rescued: true },
      { task: 'Loop', message: 'not b', ignored: false, rescued: false },
    ]);
    expect(JSON.stringify(scratch.events())).not.toMatch(/argument-of-it|ansible_user_id|module_args/);
    expect(scratch.events().at(-1)).toMatchObject({
      event: 'end',
      hosts: { node: { failures: 1, ignored: 1 } },
    });
  });
});
