/** Janitors as real processes on this host: commands, and playbooks by the real ansible-playbook. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { AnsibleJanitorPlaybooks } from '../../../src/adapters/ansible/janitor-playbooks.ts';
import { JanitorRuns } from '../../../src/adapters/janitor/runner.ts';
import { LocalRuns } from '../../../src/adapters/local/local-runs.ts';
import { buildJanitorRunner } from '../../../src/app/build-janitors.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import type { JanitorWork } from '../../../src/machines/model/janitor.ts';
import { janitorsContract } from '../../contracts/janitors.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { findProgram } from '../../fixtures/programs.ts';
import { isAlive, until } from '../local/scratch.ts';

/** On this host, with the Python of Ansible. */
const PLAY = {
  ...{ hosts: 'localhost', connection: 'local', gather_facts: false },
  vars: { ansible_python_interpreter: '{{ ansible_playbook_python }}' },
};
const BOUNDS = { ...STAGE_BOUNDS, killTimeoutMs: 5_000 };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sos-ci-janitor-'));
});
// A runner may still write its last file.
afterEach(() => rmSync(root, { recursive: true, force: true, maxRetries: 10 }));

function request(work: JanitorWork, cleaning = 'c1', timeoutMs = 60_000): EffectOf<'runJanitor'> {
  const run = { janitor: 'array1', cleaning, attempt: 1 };
  const rest = { backends: ['array1', 'switch1'], work, timeoutMs, outputLimitBytes: 65_536 };
  return { type: 'runJanitor', key: 'runJanitor:1', run, ...rest };
}

const shell = (text: string): JanitorWork => ({
  command: ['sh', '-c', text, 'sh', root],
  environment: ['SOS_CI_TEST_CLOUD'],
});
const janitors = () => buildJanitorRunner(join(root, 'state'), BOUNDS, { values: ['hunter22'] }, () => []);
const log = (cleaning = 'c1') => readFileSync(join(root, `state/janitors/array1/${cleaning}.1/log`), 'utf8');

janitorsContract('command', async () => ({
  janitors: janitors(),
  newRun: async () => ({
    request: request(
      shell('echo x >>"$1/begun"; until [ -s "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"'),
    ),
    finish: async (code) => {
      writeFileSync(join(root, 'end.new'), `${code}`);
      renameSync(join(root, 'end.new'), join(root, 'end'));
    },
    begun: async () =>
      existsSync(join(root, 'begun')) ? readFileSync(join(root, 'begun'), 'utf8').split('\n').length - 1 : 0,
  }),
  close: async () => {
    writeFileSync(join(root, 'end'), '1');
  },
}));

describe('a command', () => {
  test('removes 1,000 volumes of a back end, and gets only named variables', async () => {
    const volumes = join(root, 'volumes');
    mkdirSync(volumes);
    for (let each = 0; each < 1_000; each += 1) writeFileSync(join(volumes, `volume-${each}`), '');
    writeFileSync(join(volumes, 'not-ours'), '');
    process.env.SOS_CI_TEST_CLOUD = 'lab';
    process.env.SOS_CI_TEST_OTHER = 'hidden';
    const work = shell('rm -- "$1"/volumes/volume-*; env | sort');
    const handle = await janitors().start(request(work), NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(readdirSync(volumes)).toEqual(['not-ours']);
    const text = log();
    expect(text).toContain('SOS_CI_BACKENDS=array1 switch1\n');
    expect(text).toContain('SOS_CI_JANITOR=array1\n');
    expect(text).toContain('SOS_CI_TEST_CLOUD=lab\n');
    expect(text).not.toContain('SOS_CI_TEST_OTHER');
  });

  test('leaves no process behind, and its last line holds no secret', async () => {
    const work = shell('sleep 3600 & echo $! >"$1/pid"; echo "login hunter22 failed"; exit 4');
    const runner = janitors();
    const handle = await runner.start(request(work), NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 4 });
    expect(isAlive(Number(readFileSync(join(root, 'pid'), 'utf8')))).toBe(false);
    const line = await runner.lastLine(request(work).run);
    expect(line).toMatch(/^login .* failed$/);
    expect(line).not.toContain('hunter22');
  });

  test('is killed at its deadline', async () => {
    const handle = await janitors().start(request(shell('sleep 3600'), 'c1', 1_000), NEVER);
    expect(await handle.ended).toEqual({ how: 'timedOut' });
  });

  test('keeps the newest 20 logs', async () => {
    const runner = janitors();
    for (let each = 10; each < 32; each += 1) {
      const handle = await runner.start(request(shell('true'), `c${each}`), NEVER);
      await handle.ended;
    }
    const kept = readdirSync(join(root, 'state/janitors/array1')).sort();
    expect(kept).toHaveLength(20);
    expect([kept[0], kept.at(-1)]).toEqual(['c12.1', 'c31.1']);
  });
});

const { describe: describeAnsible, it } = needs('ansible-playbook');

describeAnsible('a playbook', () => {
  const runner = () => {
    const searchPath = [dirname(findProgram('ansible-playbook') ?? '/nowhere/x'), process.env.PATH].join(':');
    const stateDir = join(root, 'state');
    return new JanitorRuns({
      stateDir,
      host: new LocalRuns(BOUNDS),
      playbooks: new AnsibleJanitorPlaybooks({ stateDir, searchPath }),
      tempest: { command: () => Promise.reject(new Error('a playbook does not run Tempest')) },
      lastLine: async () => null,
    });
  };
  const play = (...tasks: readonly object[]): JanitorWork => {
    const file = join(root, 'clean.yml');
    writeFileSync(file, JSON.stringify([{ ...PLAY, tasks }]));
    return { playbook: { file, inventory: null, variableFiles: [] } };
  };

  it('gets the back ends as variables', async () => {
    const copy = { 'ansible.builtin.copy': { content: '{{ sos_ci | to_json }}', dest: join(root, 'facts') } };
    const handle = await runner().start(request(play({ name: 'Write', ...copy })), NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(JSON.parse(readFileSync(join(root, 'facts'), 'utf8'))).toEqual({
      ...{ janitor: 'array1', cleaning: 'c1', attempt: 1 },
      backends: ['array1', 'switch1'],
    });
  });

  it('names the task that failed', async () => {
    const fail = { name: 'Log in', 'ansible.builtin.fail': { msg: 'no route' } };
    const handle = await runner().start(request(play(fail)), NEVER);
    const failedTask = { task: 'Log in', host: 'localhost', message: 'no route' };
    expect(await handle.ended).toMatchObject({ how: 'exited', code: 2, failedTask });
  });

  it('ends with all of its processes when it is stopped', async () => {
    const argv = ['sh', '-c', `echo $$ >${root}/pid.new; mv ${root}/pid.new ${root}/pid; sleep 3600`];
    const wait = { name: 'Wait', 'ansible.builtin.command': { argv } };
    const asked = request(play(wait));
    const handle = await runner().start(asked, NEVER);
    await until('the pid', () => existsSync(join(root, 'pid')));
    await runner().stop(asked.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(Number(readFileSync(join(root, 'pid'), 'utf8')))).toBe(false);
  });
});
