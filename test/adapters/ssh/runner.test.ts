/** Stages on a node behind a real sshd: their start, environment and end. */

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import { type RunnerHarness, runnerContract } from '../../contracts/runner.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { readProc } from '../../fixtures/proc.ts';
import { mountSmallDisk } from '../../fixtures/small-disk.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { PATCHSET, processesOf, until } from '../local/scratch.ts';
import { NodeScratch } from './scratch.ts';

const { describe, it } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('on a node', () => runnerContract('ssh', start));

async function start(): Promise<RunnerHarness> {
  const scratch = new NodeScratch(sshd);
  return {
    runner: scratch.runner(),
    async newRun(stage) {
      const text = 'echo x >>"$1/begun"; until [ -s "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"';
      const begun = join(scratch.root, 'begun');
      return {
        request: scratch.script(text, {}, stage),
        finish: (code) => scratch.put('end', String(code)),
        begun: async () => (existsSync(begun) ? readFileSync(begun, 'utf8').length / 2 : 0),
      };
    },
    close: () => scratch.close(),
  };
}

describe('SshRunner', () => {
  let scratch: NodeScratch;

  beforeEach(() => {
    scratch = new NodeScratch(sshd);
  });
  afterEach(() => scratch.close());

  it('gives the command its variables, the search path of the node, and nothing of our environment', async () => {
    process.env.SOS_CI_TEST_SECRET = 'hunter2';
    const request = scratch.request(['env', '-0']);
    const handle = await scratch.runner().start(request, NEVER);
    delete process.env.SOS_CI_TEST_SECRET;
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const serverDirectory = scratch.serverDirectory(request.run.server);
    const entries = (await scratch.log(request)).split('\0').filter((line) => line !== '');
    const environment = Object.fromEntries(entries.map((line) => line.split(/=(.*)/s)));
    // Shells add these variables.
    for (const own of ['PWD', 'OLDPWD', 'SHLVL', '_']) delete environment[own];
    expect(environment).toEqual({
      PATH: expect.stringContaining('/usr/bin'),
      LANG: expect.stringMatching(/./),
      HOME: join(serverDirectory, 'home'),
      TMPDIR: join(serverDirectory, 'tmp'),
      SOS_CI_JOB: request.run.owner.job,
      SOS_CI_JOB_NAME: 'unit',
      SOS_CI_ATTEMPT: '1',
      SOS_CI_STAGE: 'testing',
      SOS_CI_PROJECT: PATCHSET.project,
      SOS_CI_BRANCH: PATCHSET.branch,
      SOS_CI_CHANGE: '912345',
      SOS_CI_PATCHSET: '3',
      SOS_CI_REF: PATCHSET.ref,
      SOS_CI_REVISION: PATCHSET.revision,
      SOS_CI_WORKTREE: join(serverDirectory, 'tree'),
      SOS_CI_DEPENDENCIES: join(serverDirectory, 'dependencies'),
      SOS_CI_DEPLOYMENT: 'ours',
      SOS_CI_SERVER: request.run.server.id,
      SOS_CI_RUN: scratch.nodeRunDirectory(request),
    });
  });

  it('runs in the work tree, without a shell, with the signals of a new program', async () => {
    const odd = [
      '',
      ' ',
      '$(touch evil)',
      '`touch evil`',
      "'",
      '"',
      '\\',
      '*',
      '-n',
      '--',
      'a\nb',
      'ü',
      "'\\''",
    ];
    const script = 'printf "%s|" "$PWD" "$@"; grep -E "^Sig(Ign|Blk)" /proc/self/status; cat';
    const request = scratch.request(['sh', '-c', script, 'sh', ...odd]);
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const tree = join(scratch.serverDirectory(request.run.server), 'tree');
    const none = '0000000000000000';
    expect(readFileSync(join(scratch.localRunDirectory(request), 'log'), 'utf8')).toBe(
      `${[tree, ...odd].join('|')}|SigBlk:\t${none}\nSigIgn:\t${none}\n`,
    );
    expect(existsSync(join(tree, 'evil'))).toBe(false);
  });

  it.each([
    ['a program that is missing', ['/no/such/program', '-x'], { how: 'exited', code: 127 }],
    ['a program that cannot be executed', ['/etc/passwd'], { how: 'exited', code: 126 }],
    ['a program that is killed', ['sh', '-c', 'kill -9 $$'], { how: 'killed', signal: 9 }],
    ['a relative program', ['./run.sh'], { how: 'exited', code: 42 }],
  ])('reports %s', async (_what, argv, end) => {
    const request = scratch.request(argv);
    const tool = join(scratch.serverDirectory(request.run.server), 'tree', 'run.sh');
    writeFileSync(tool, '#!/bin/sh\nexit 42\n', { mode: 0o755 });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual(end);
  });

  it("runs the operator's script from this host, with its directory, in the work tree", async () => {
    const directory = join(scratch.root, 'lab');
    await mkdir(join(directory, 'lib'), { recursive: true });
    await writeFile(join(directory, 'lib', "it's"), 'from the lab\n');
    const text =
      '#!/bin/sh\npwd; printf "%s|" "$@"; cat "$(dirname "$0")/lib/it\'s"; rm -r "$(dirname "$0")"\n';
    await writeFile(join(directory, 'run.sh'), text, { mode: 0o755 });
    const script = {
      program: join(directory, 'run.sh'),
      directory,
      arguments: ['$(touch evil)', "'", 'a b'],
    };
    const request = scratch.scriptOf(script);
    const runner = scratch.runner();
    const handle = await runner.start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const tree = join(scratch.serverDirectory(request.run.server), 'tree');
    expect(await scratch.log(request)).toBe(`${tree}\n$(touch evil)|'|a b|from the lab\n`);
    expect(existsSync(join(directory, 'run.sh'))).toBe(true);
    rmSync(directory, { recursive: true });
    expect(await runner.start(request, NEVER)).toMatchObject({ adopted: true });
  });

  it('gives a job its secrets as files that only its user can read, and removes them with the server', async () => {
    const file = join(scratch.root, 'array');
    await writeFile(file, Buffer.from('hunter22\n'));
    const secrets = [{ name: 'array', file, env: null }];
    const text = 'stat -c "%a %n" "$SOS_CI_SECRETS" "$SOS_CI_SECRETS"/*; cat "$SOS_CI_SECRETS/array"';
    const request = scratch.script(text, { secrets });
    const redact = { values: ['hunter22'] };
    const handle = await scratch.runner({ redact }).start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const serverDirectory = scratch.serverDirectory(request.run.server);
    const directory = join(serverDirectory, 'secrets');
    expect(await scratch.log(request)).toBe(`700 ${directory}\n600 ${directory}/array\nhunter22\n`);
    const launched = readFileSync(join(scratch.nodeRunDirectory(request), 'launch'), 'utf8');
    expect(launched).toContain(`SOS_CI_SECRETS=${directory}`);
    expect(launched).not.toContain('hunter22');
    const { stateDir, nodes } = scratch;
    const maintenance = new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS });
    await maintenance.wipe(request.run.server, 20_000, NEVER);
    expect(existsSync(serverDirectory)).toBe(false);
  });

  it('withholds a secret that is not redacted yet', async () => {
    const file = join(scratch.root, 'array');
    await writeFile(file, 'rotated since\n');
    const request = scratch.script('exit 0', { secrets: [{ name: 'array', file, env: null }] });
    const redact = { values: ['hunter22'] };
    await expect(scratch.runner({ redact }).start(request, NEVER)).rejects.toMatchObject({
      message: `${file} has changed since the configuration was read`,
      hint: 'sos-ci reload',
    });
    expect(existsSync(join(scratch.serverDirectory(request.run.server), 'secrets'))).toBe(false);
  });

  it('does not start a script that is a link', async () => {
    const program = join(scratch.root, 'link');
    await symlink('/bin/true', program);
    const request = scratch.scriptOf({ program, directory: null, arguments: [] });
    await expect(scratch.runner().start(request, NEVER)).rejects.toMatchObject({
      operation: 'read script',
      retryable: false,
    });
  });

  it('has copied all output before it reports the end', async () => {
    const request = scratch.script('head -c 700000 /dev/urandom | tee "$1/bytes"; printf end >&2');
    const handle = await scratch.runner().start(request, NEVER);
    await handle.ended;
    const sent = readFileSync(join(scratch.root, 'bytes'), 'latin1');
    expect((await scratch.log(request)) === `${sent}end`).toBe(true);
  });

  it('records how long a stage ran on the node, to the millisecond', async () => {
    const request = scratch.request(['true']);
    const handle = await scratch.runner().start(request, NEVER);
    await handle.ended;
    const durationOf = (directory: string): number => {
      const [began = 0, ended = 0] = ['pid', 'rc'].map((name) => statSync(join(directory, name)).mtimeMs);
      return ended - began;
    };
    expect(durationOf(scratch.nodeRunDirectory(request))).toBeGreaterThan(0);
    expect(durationOf(scratch.localRunDirectory(request))).toBeCloseTo(
      durationOf(scratch.nodeRunDirectory(request)),
      0,
    );
    expect(readFileSync(join(scratch.localRunDirectory(request), 'rc'), 'latin1').trim()).toBe('exited 0');
  });

  it('caps the log of a command that writes forever', async () => {
    const request = scratch.script('head -c 5000000 /dev/zero | tr "\\0" x; echo done >"$1/done"', {
      outputLimitBytes: 100_000,
    });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(existsSync(join(scratch.root, 'done'))).toBe(true);
    const lines = (await scratch.log(request)).split('\n');
    expect(lines.slice(1)).toEqual(['[sos-ci: output past 100000 bytes was dropped]', '']);
  });

  it('ends a command that writes forever at the deadline', async () => {
    const request = scratch.request(['yes'], { timeoutMs: 700, outputLimitBytes: 10_000 });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'timedOut' });
    expect((await scratch.log(request)).length).toBeLessThan(11_000);
  });

  it('reads no more of a log than the limit', async () => {
    const request = scratch.script('until [ -e "$1/go" ]; do sleep 0.05; done', { outputLimitBytes: 10_000 });
    const handle = await scratch.runner().start(request, NEVER);
    // A job can make its own log arbitrarily long.
    execFileSync('truncate', ['-s', '40G', join(scratch.nodeRunDirectory(request), 'log')]);
    await scratch.put('go', '');
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const log = await scratch.log(request);
    expect(log.length).toBeLessThan(12_000);
    expect(log).toMatch(/\n\[sos-ci: the node sent more than \d+ bytes; the rest was dropped\]\n$/);
  });

  it('does not open a pipe that a job has put in place of its log', async () => {
    const request = scratch.script(
      'rm "$SOS_CI_RUN/log"; mkfifo "$SOS_CI_RUN/log"; until [ -e "$1/go" ]; do sleep 0.05; done; exit 5',
    );
    const handle = await scratch.runner().start(request, NEVER);
    await scratch.put('go', '');
    expect(await handle.ended).toEqual({ how: 'exited', code: 5 });
  });

  it('stops a run, and keeps its result, on a node whose disk is full', async (context) => {
    const disk = mountSmallDisk(scratch.disk, '2m');
    if (typeof disk === 'string') return context.skip(disk);
    try {
      const [one, other] = ['touch "$1/one"', 'touch "$1/other"'].map((word) =>
        scratch.script(`${word}; until [ -e "$1/go" ]; do sleep 0.05; done; exit 7`),
      );
      if (one === undefined || other === undefined) throw new Error('two requests');
      const handles = [await scratch.runner().start(one, NEVER), await scratch.runner().start(other, NEVER)];
      await until('both', () => ['one', 'other'].every((name) => existsSync(join(scratch.root, name))));
      disk.fill();
      await scratch.runner().stop(one.run, NEVER);
      await scratch.put('go', '');
      expect(await Promise.all(handles.map(({ ended }) => ended))).toEqual([
        { how: 'stopped' },
        { how: 'exited', code: 7 },
      ]);
    } finally {
      disk.close();
    }
  });

  it('leaves no process on the node after the run', async () => {
    const request = scratch.request(['true']);
    const handle = await scratch.runner().start(request, NEVER);
    await handle.ended;
    await until('the end of all helpers', () => processesOf(scratch.disk).length === 0);
    expect(readFileSync(join(scratch.nodeRunDirectory(request), 'runner.err'), 'utf8')).toBe('');
  });

  it('leaves no process on the node after detach', async () => {
    const request = scratch.script('until [ -s "$1/end" ]; do sleep 0.05; done');
    const handle = await scratch.runner().start(request, NEVER);
    const watching = () =>
      processesOf(`\0${scratch.nodeRunDirectory(request)}\0`).filter((pid) => isFollower(pid)).length;
    await until('the follower', () => watching() > 0);
    handle.detach();
    await until('the end of the follower', () => watching() === 0);
    await scratch.put('end', '');
  });

  it('refuses an argument with a NUL', async () => {
    const request = scratch.request(['echo', 'a\0b']);
    await expect(scratch.runner().start(request, NEVER)).rejects.toMatchObject({
      name: 'OperationError',
      retryable: false,
    });
  });

  it('reports a start that the node refuses', async () => {
    const request = scratch.request(['true']);
    writeFileSync(join(scratch.serverDirectory(request.run.server), 'runs'), 'in the way');
    await expect(scratch.runner().start(request, NEVER)).rejects.toMatchObject({ name: 'OperationError' });
  });

  it.each(['command', 'script'])(
    'removes the results of an earlier run before the start: %s',
    async (kind) => {
      const text = 'cat results.tap; echo new >results.tap';
      const directory = join(scratch.root, 'lab');
      mkdirSync(directory, { recursive: true });
      writeFileSync(join(directory, 'test.sh'), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
      const request =
        kind === 'command'
          ? scratch.script(text)
          : scratch.scriptOf({ program: join(directory, 'test.sh'), directory: null, arguments: [] });
      const stage = { ...request, spec: { ...request.spec, removes: ['results.tap'] } };
      const results = join(scratch.serverDirectory(request.run.server), 'tree', 'results.tap');
      writeFileSync(results, 'old\n');
      await (await scratch.runner().start(stage, NEVER)).ended;
      expect(await scratch.log(request)).toContain('No such file');
      expect(readFileSync(results, 'utf8')).toBe('new\n');
    },
  );

  it('reads results from the work tree only', async () => {
    const request = scratch.request(['sh', '-c', 'printf "1..1\\nnot ok 1 - a b\\n" >results.tap']);
    const { server } = request.run;
    const tree = join(scratch.serverDirectory(server), 'tree');
    const runner = scratch.runner({ resultsLimitBytes: 50 });
    await (await runner.start(request, NEVER)).ended;
    const read = (file: string) => runner.readResults(server, { format: 'tap', file }, 60_000, NEVER);
    expect(await read('results.tap')).toEqual({ passed: 0, failed: 1, skipped: 0, failures: ['a b'] });
    await symlink('results.tap', join(tree, 'link.tap'));
    expect(await read('link.tap')).toEqual({ unreadable: 'link.tap: it is a symbolic link' });
    await symlink('/etc', join(tree, 'away'));
    expect(await read('away/passwd')).toEqual({
      unreadable: 'away/passwd: it is outside of the work tree',
    });
    await mkdir(join(tree, 'directory.tap'));
    expect(await read('directory.tap')).toEqual({ unreadable: 'directory.tap: it is not a regular file' });
    execFileSync('mkfifo', [join(tree, 'pipe.tap')]);
    expect(await read('pipe.tap')).toEqual({ unreadable: 'pipe.tap: it is not a regular file' });
    await writeFile(join(tree, 'large.tap'), 'x'.repeat(51));
    expect(await read('large.tap')).toEqual({ unreadable: 'large.tap: it is larger than 50 bytes' });
  });
});

/** Whether the process is a command of follow.sh. */
function isFollower(pid: number): boolean {
  return /^(sh\0-s|tail\0|flock\0-s)/.test(readProc(pid, 'cmdline'));
}
