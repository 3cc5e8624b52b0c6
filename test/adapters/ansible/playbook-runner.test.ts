/** Playbooks run by the real ansible-playbook, on nodes behind a real sshd. */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { readProc } from '../../fixtures/proc.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { isAlive, PATCHSET, processesOf, type RunStage, until } from '../local/scratch.ts';
import { PlaybookScratch } from './scratch.ts';

const { describe, it, exhaustively } = needs('sshd', 'ansible-playbook');

describe('PlaybookRunner', () => {
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

  const play = (...tasks: readonly object[]) => ({ name: 'Test', hosts: 'node', gather_facts: false, tasks });
  const shell = (name: string, text: string, more: object = {}) => ({
    name,
    'ansible.builtin.command': { argv: ['sh', '-c', text, 'sh', scratch.root] },
    ...more,
  });
  /** A command on the node that runs until the file `end` contains its exit code. */
  const long = () => ({
    name: 'Run the tests',
    'sos_ci.openstack.run': {
      name: 'tests',
      argv: [
        ...['sh', '-c'],
        'echo x >>"$1/begun"; echo "$$" >"$1/pid"; until [ -s "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"',
        ...['sh', scratch.root],
      ],
    },
  });
  const starts = () => readFileSync(join(scratch.root, 'begun'), 'utf8');
  const workspace = (request: RunStage, name: string) =>
    join(scratch.localRunDirectory(request), 'ansible', name);
  /** The ansible-playbook processes, without the shells that start them. */
  const ansibleProcesses = (request: RunStage) =>
    processesOf(`-i\0${workspace(request, 'node.json')}`).filter(
      (pid) => !readProc(pid, 'cmdline').startsWith('sh'),
    );

  it('reaches the node by its pinned key and gets the job, but nothing of the daemon', async () => {
    const inventory = scratch.file(
      'hosts',
      '[arrays]\narray ansible_host=10.0.0.9 size=7\n\n[all:vars]\nansible_host=10.0.0.8\n',
    );
    const variableFiles = [scratch.file('vars.yml', 'from_file: 1\nboth: file\n')];
    const variables = { both: 'job', templated: '{{ 1 + 1 }}' };
    const secret = scratch.file('array', 'hunter22\n');
    const request = await scratch.play(
      [
        play(
          shell('Show', 'echo {{ sos_ci | to_json | quote }} >"$1/facts"'),
          shell(
            'Mix',
            'echo {{ from_file }} {{ both }} {{ templated }} {{ hostvars.array.size }} >"$1/mixed"',
          ),
          shell('Read', 'cat {{ sos_ci.secrets }}/array >"$1/secret"; ps -eo args >"$1/processes"'),
          {
            name: 'Report',
            'ansible.builtin.set_stats': { data: { sos_ci: { proxy: true, tempest: '<b>' } } },
          },
          shell('Fail', 'echo "no array hunter22 at {{ sos_ci.worktree }}" >&2; exit 3'),
        ),
      ],
      { inventory, variableFiles, variables },
      {
        trees: [
          { project: PATCHSET.project, branch: 'master', base: '', revision: 'a'.repeat(40) },
          { project: 'openstack/os-brick', branch: 'master', base: '', revision: 'b'.repeat(40) },
        ],
        secrets: [{ name: 'array', file: secret, env: null }],
        removes: ['results.tap', 'link/kept', '../home'],
      },
    );
    const tree = join(scratch.serverDirectory(request.run.server), 'tree');
    writeFileSync(join(tree, 'results.tap'), 'ok 1\n');
    scratch.file('kept', '');
    symlinkSync(scratch.operatorDirectory, join(tree, 'link'));
    const handle = await scratch.playbooks().start(request, NEVER);
    const server = scratch.serverDirectory(request.run.server);
    expect(await handle.ended).toEqual({
      how: 'exited',
      code: 2,
      failedTask: { task: 'Fail', host: 'node', message: `no array hunter22 at ${server}/tree` },
      facts: { ansible: expect.stringMatching(/^2\.\d+\.\d+/), proxy: true },
    });
    expect(readdirSync(tree)).toEqual(['link']);
    expect([join(scratch.operatorDirectory, 'kept'), join(server, 'home')].filter(existsSync)).toHaveLength(
      2,
    );
    const read = (name: string) => readFileSync(join(scratch.root, name), 'utf8');
    expect(JSON.parse(read('facts'))).toEqual({
      ...{ job: request.run.owner.job, name: 'unit', attempt: 1, stage: 'testing', deployment: 'ours' },
      timeout: 120,
      ...{ project: PATCHSET.project, branch: PATCHSET.branch, change: 912345, patchset: 3 },
      ...{ ref: PATCHSET.ref, revision: PATCHSET.revision, server: request.run.server.id },
      worktree: `${server}/tree`,
      trees: [
        { project: PATCHSET.project, path: `${server}/tree` },
        { project: 'openstack/os-brick', path: `${server}/dependencies/openstack/os-brick` },
      ],
      run_directory: scratch.nodeRunDirectory(request),
      secrets: `${server}/secrets`,
    });
    expect(read('mixed')).toBe('1 job 2 7\n');
    expect(read('secret')).toBe('hunter22\n');
    expect(read('processes')).not.toMatch(/hunter22|from_file|openstack\/os-brick/);
    for (const name of ['variables.yml', 'node.json', 'known_hosts', 'events.jsonl'])
      expect(statSync(workspace(request, name)).mode & 0o777).toBe(0o600);
    expect(readFileSync(workspace(request, 'known_hosts'), 'utf8')).toContain(sshd.hostKey.split(' ')[1]);
    expect(JSON.stringify(scratch.events(request))).not.toContain('module_args');
    expect(processesOf(`SOS_CI_RUN=${scratch.localRunDirectory(request)}`)).toEqual([]);
  });

  exhaustively.it(
    'continues when the daemon and ansible-playbook are killed, and runs the command on the node once',
    async () => {
      const request = await scratch.play([play(long())]);
      const first = await scratch.playbooks().start(request, NEVER);
      await until('the command', () => existsSync(join(scratch.root, 'pid')));
      first.detach();
      const before = ansibleProcesses(request);
      expect(before.length).toBeGreaterThan(0);
      for (const pid of before) kill(pid);
      await until('another ansible-playbook', () =>
        ansibleProcesses(request).some((pid) => !before.includes(pid)),
      );
      const second = await scratch.playbooks().start(request, NEVER);
      expect(second).toMatchObject({ pid: first.pid, adopted: true });
      writeFileSync(join(scratch.root, 'end'), '0');
      expect(await second.ended).toMatchObject({ how: 'exited', code: 0 });
      expect(starts()).toBe('x\n');
    },
  );

  it('stops the playbook on this host and the command on the node', async () => {
    const request = await scratch.play([play(long())]);
    const runner = scratch.playbooks();
    const handle = await runner.start(request, NEVER);
    const pid = await until('the command', () => readIfPresent(join(scratch.root, 'pid')));
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toMatchObject({ how: 'stopped' });
    expect(ansibleProcesses(request)).toEqual([]);
    expect(isAlive(Number(pid))).toBe(false);
    expect(readFileSync(`${scratch.nodeRunDirectory(request)}-tests/rc`, 'utf8').trim()).toBe('stopped');
  });

  exhaustively.it('ends a background process of the playbook before the run ends', async () => {
    const leave = shell('Leave', 'setsid sleep 3600 >/dev/null 2>&1 & echo "$!" >"$1/left"', {
      delegate_to: 'localhost',
      vars: { ansible_connection: 'local', ansible_python_interpreter: '{{ ansible_playbook_python }}' },
    });
    const request = await scratch.play([play(leave)]);
    const handle = await scratch.playbooks().start(request, NEVER);
    await until('the ending', () => existsSync(join(scratch.localRunDirectory(request), 'rc')));
    expect(isAlive(Number(readFileSync(join(scratch.root, 'left'), 'utf8')))).toBe(false);
    expect(await handle.ended).toMatchObject({ how: 'exited', code: 0 });
  });

  exhaustively.it(
    'does not use text from Gerrit or the node as a template, a path or a setting',
    async () => {
      const evil = join(scratch.root, 'evil');
      const request = await scratch.play([
        play(
          { name: 'Learn', 'ansible.builtin.setup': { fact_path: join(scratch.root, 'facts.d') } },
          {
            name: 'Lie',
            'ansible.builtin.ping': {},
            vars: { ansible_python_interpreter: join(scratch.root, 'liar') },
          },
          shell(
            'Show',
            'echo {{ sos_ci.branch | quote }} {{ sos_ci.stage }} {{ ansible_connection }} >"$1/shown"; cat "$1/output"',
            { register: 'output' },
          ),
          {
            name: 'Say',
            'ansible.builtin.debug': {
              msg: '{{ sos_ci.branch }} {{ ansible_local }} {{ ansible_facts.claim }} {{ output.stdout }}',
            },
          },
          shell('Fail', 'cat "$1/output"; exit 1'),
        ),
      ]);
      writeFileSync(join(scratch.root, 'output'), `{{ lookup("pipe", "touch ${evil}") }} ../../../evil\n`);
      const tree = join(scratch.serverDirectory(request.run.server), 'tree');
      const hostile = { patchset: { ...PATCHSET, branch: `{{lookup('pipe','touch\${IFS}${evil}')}}` } };
      // The facts of the node try to override the connection, the job, and programs and files of this host.
      const facts = {
        ...{ ansible_connection: 'local', ansible_host: '10.0.0.1', ansible_ssh_executable: evil },
        ...{
          sos_ci: { stage: '../../..', run_directory: '/tmp' },
          claim: `{{ lookup("pipe", "touch ${evil}") }}`,
        },
      };
      writeFileSync(
        join(scratch.root, 'facts'),
        JSON.stringify({ changed: false, ping: 'pong', ansible_facts: facts }),
      );
      writeFileSync(join(scratch.root, 'liar'), `#!/bin/sh\ncat >/dev/null\ncat ${scratch.root}/facts\n`, {
        mode: 0o755,
      });
      mkdirSync(join(scratch.root, 'facts.d'));
      writeFileSync(join(scratch.root, 'facts.d', 'a.fact'), JSON.stringify(facts));
      writeFileSync(join(tree, 'ansible.cfg'), `[defaults]\nlog_path = ${evil}\n`);
      writeFileSync(join(tree, 'play.yml'), 'not a playbook\n');
      mkdirSync(join(tree, 'group_vars'));
      writeFileSync(join(tree, 'group_vars', 'all.yml'), 'sos_ci: evil\n');
      symlinkSync(scratch.stateDir, join(tree, 'link'));
      const handle = await scratch.playbooks().start({ ...request, ...hostile }, NEVER);
      expect(await handle.ended).toMatchObject({
        how: 'exited',
        failedTask: { task: 'Fail', message: `{{ lookup("pipe", "touch ${evil}") }} ../../../evil` },
      });
      expect(readFileSync(join(scratch.root, 'shown'), 'utf8')).toBe(
        `${hostile.patchset.branch} testing ssh\n`,
      );
      expect(existsSync(evil)).toBe(false);
    },
  );

  exhaustively.it(
    'is lost, not failed, when the node cannot be reached or the playbook cannot be read',
    async () => {
      const request = await scratch.play([play(shell('Try', 'true'))]);
      const broken = await scratch.play([play(shell('Try', 'true'))]);
      if (!('playbook' in broken.spec)) throw new Error('no playbook');
      const spec = {
        ...broken.spec,
        playbook: { ...broken.spec.playbook, file: scratch.file('broken.yml', '- [') },
      };
      const pins = join(scratch.stateDir, 'host-keys', `lab-${request.run.server.id}`);
      const runner = scratch.playbooks();
      const unreadable = await runner.start({ ...broken, spec }, NEVER);
      expect(await unreadable.ended).toEqual({
        how: 'lost',
        why: 'ansible-playbook exited with 4, and no task failed: see its output',
      });
      // A different key than on the first connection.
      const other = await Sshd.start();
      writeFileSync(pins, `${other.hostKey.split(' ')[1]}\n`);
      await other.close();
      const handle = await runner.start(request, NEVER);
      expect(await handle.ended).toEqual({
        how: 'lost',
        why: expect.stringContaining('node could not be reached at task "Try": '),
      });
    },
  );
});

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It ended together with the previous one.
  }
}

function readIfPresent(file: string): string | null {
  return existsSync(file) ? readFileSync(file, 'utf8') || null : null;
}
