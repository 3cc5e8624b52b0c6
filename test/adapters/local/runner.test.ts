/** Stages with real processes: their start, environment and end, checked with /proc and their files. */

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runnerContract } from '../../contracts/runner.ts';
import { NEVER } from '../../fixtures/never.ts';
import { FOR_EVER, isAlive, PATCHSET, processesOf, Scratch, until, written } from './scratch.ts';

runnerContract('local', async () => {
  const scratch = new Scratch();
  return {
    runner: scratch.runner(),
    async newRun(stage) {
      const text = 'echo x >>"$1/begun"; until [ -s "$1/end" ]; do sleep 0.05; done; exit "$(cat "$1/end")"';
      const begun = join(scratch.root, 'begun');
      return {
        request: await scratch.script(text, {}, stage),
        finish: (code) => scratch.put('end', String(code)),
        begun: async () => (existsSync(begun) ? readFileSync(begun, 'utf8').length / 2 : 0),
      };
    },
    close: async () => scratch.close(),
  };
});

describe('LocalRunner', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.close());

  it('gives the command its variables, and nothing else of our environment', async () => {
    process.env.SOS_CI_TEST_SECRET = 'hunter2';
    const request = await scratch.request(['env', '-0']);
    const handle = await scratch.runner().start(request, NEVER);
    delete process.env.SOS_CI_TEST_SECRET;
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const { address, id } = request.run.server;
    const entries = (await scratch.file(request, 'log')).split('\0').filter((line) => line !== '');
    const environment = Object.fromEntries(entries.map((line) => line.split(/=(.*)/s)));
    // Shells add these variables.
    for (const own of ['PWD', 'OLDPWD', 'SHLVL', '_']) delete environment[own];
    expect(environment).toEqual({
      PATH: process.env.PATH,
      LANG: process.env.LANG ?? 'C.UTF-8',
      HOME: join(address, 'home'),
      TMPDIR: join(address, 'tmp'),
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
      SOS_CI_WORKTREE: join(address, 'tree'),
      SOS_CI_DEPENDENCIES: join(address, 'dependencies'),
      SOS_CI_DEPLOYMENT: 'ours',
      SOS_CI_SERVER: id,
      SOS_CI_RUN: scratch.directory(request),
    });
  });

  it("runs a copy of the operator's script, which a job cannot change", async () => {
    const directory = join(scratch.root, 'lab');
    mkdirSync(directory);
    const text =
      '#!/bin/sh\necho "$1" in "$PWD"; echo changed >"$0"; until [ -e "$2" ]; do sleep 0.05; done\n';
    writeFileSync(join(directory, 'run.sh'), text, { mode: 0o755 });
    const end = join(scratch.root, 'end');
    const script = { program: join(directory, 'run.sh'), directory, arguments: ['started', end] };
    const request = await scratch.request([]);
    const stage = { ...request, spec: { script, timeoutMs: 120_000, outputLimitBytes: 1024 * 1024 } };
    const handle = await scratch.runner().start(stage, NEVER);
    await until('the first line', async () => (await scratch.file(stage, 'log')) !== '');
    expect(readFileSync(join(directory, 'run.sh'), 'utf8')).toBe(text);
    // An edit does not affect a running stage, even after a second start.
    writeFileSync(join(directory, 'run.sh'), '#!/bin/sh\nexit 9\n');
    expect(await scratch.runner().start(stage, NEVER)).toMatchObject({ pid: handle.pid, adopted: true });
    writeFileSync(end, '');
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(await scratch.file(stage, 'log')).toBe(`started in ${join(stage.run.server.address, 'tree')}\n`);
  });

  it('runs in the work tree, without a shell, with the signals of a new program', async () => {
    const odd = ['', ' ', '$(touch evil)', '`touch evil`', "'", '"', '\\', '*', '-n', '--', 'a\nb', 'ü'];
    const script = 'printf "%s|" "$PWD" "$@"; grep -E "^Sig(Ign|Blk)" /proc/self/status; cat';
    const request = await scratch.request(['sh', '-c', script, 'sh', ...odd]);
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const tree = join(request.run.server.address, 'tree');
    const none = '0000000000000000';
    expect(await scratch.file(request, 'log')).toBe(
      `${[tree, ...odd].join('|')}|SigBlk:\t${none}\nSigIgn:\t${none}\n`,
    );
    expect(existsSync(join(tree, 'evil'))).toBe(false);
  });

  it.each([
    ['a program that is missing', ['/no/such/program', '-x'], { how: 'exited', code: 127 }],
    ['a program that cannot be executed', ['/etc/passwd'], { how: 'exited', code: 126 }],
    ['a program that is killed', ['sh', '-c', 'kill -9 $$'], { how: 'killed', signal: 9 }],
    ['a program that crashes', ['sh', '-c', 'kill -SEGV $$'], { how: 'killed', signal: 11 }],
    ['an exit code that is not a signal', ['sh', '-c', 'exit 255'], { how: 'exited', code: 255 }],
    ['a relative program', ['./run.sh'], { how: 'exited', code: 42 }],
  ])('reports %s', async (_what, argv, end) => {
    const request = await scratch.request(argv);
    const tool = join(request.run.server.address, 'tree', 'run.sh');
    writeFileSync(tool, '#!/bin/sh\nexit 42\n', { mode: 0o755 });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual(end);
  });

  it('reports exit code 126 if the work tree is missing', async () => {
    const request = await scratch.request(['true']);
    const { server } = request.run;
    const elsewhere = {
      ...request,
      run: { ...request.run, server: { ...server, address: join(scratch.root, 'no') } },
    };
    const handle = await scratch.runner().start(elsewhere, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 126 });
  });

  it('has all output in the log before it reports the end', async () => {
    const request = await scratch.script('head -c 700000 /dev/zero | tr "\\0" x; echo err >&2; printf end');
    const handle = await scratch.runner().start(request, NEVER);
    await handle.ended;
    const log = await scratch.file(request, 'log');
    expect(log.length).toBe(700_007);
    expect(log.endsWith('xerr\nend')).toBe(true);
  });

  it('limits the log of a command that writes too much, discards the rest, and notes it in the last line', async () => {
    const request = await scratch.script('head -c 5000000 /dev/zero | tr "\\0" x; echo done >"$1/done"', {
      outputLimitBytes: 100_000,
    });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(existsSync(join(scratch.root, 'done'))).toBe(true);
    const lines = (await scratch.file(request, 'log')).split('\n');
    expect(lines[0]?.length).toBe(Math.floor(100_000 / 512) * 512);
    expect(lines.slice(1)).toEqual(['[sos-ci: output past 100000 bytes was dropped]', '']);
  });

  it('ends a command that writes forever at the deadline', async () => {
    const request = await scratch.request(['yes'], { timeoutMs: 700, outputLimitBytes: 10_000 });
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'timedOut' });
    expect((await scratch.file(request, 'log')).length).toBeLessThan(11_000);
  });

  it('leaves no helper process and no fifo', async () => {
    const request = await scratch.request(['true']);
    const handle = await scratch.runner().start(request, NEVER);
    await handle.ended;
    await until('the end of all helpers', () => processesOf(scratch.root).length === 0);
    expect(existsSync(join(scratch.directory(request), 'words'))).toBe(false);
    expect(existsSync(join(scratch.directory(request), 'output'))).toBe(false);
    expect(await scratch.file(request, 'runner.err')).toBe('');
  });

  it('reports the end of a command that leaves a child, which can continue to write', async () => {
    const request = await scratch.script(
      'setsid sh -c "echo \\$\\$ >\\"$1/child\\"; until [ -e \\"$1/go\\" ]; do sleep 0.05; done; echo late" & echo early; exit 4',
    );
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 4 });
    expect(await scratch.file(request, 'log')).toMatch(/^early\n/);
    const child = Number(await written(join(scratch.root, 'child')));
    expect(isAlive(child)).toBe(true);
    await scratch.put('go', '');
    await until('the late line', async () => (await scratch.file(request, 'log')).endsWith('\nlate\n'));
    await until('the end of all helpers', () => processesOf(scratch.root).length === 0);
  });

  it('refuses an argument with a NUL', async () => {
    const request = await scratch.request(['echo', 'a\0b']);
    await expect(scratch.runner().start(request, NEVER)).rejects.toMatchObject({
      name: 'OperationError',
      retryable: false,
    });
  });

  it('reports a start that fails', async () => {
    const request = await scratch.request(['true']);
    await writeFile(join(scratch.stateDir, 'runs'), 'in the way');
    await expect(scratch.runner().start(request, NEVER)).rejects.toMatchObject({
      name: 'OperationError',
      operation: 'start stage',
    });
  });

  it('removes the results of an earlier run once, when the command starts', async () => {
    const request = await scratch.request(['sh', '-c', 'cat results.tap; echo new >results.tap'], {
      removes: ['results.tap'],
    });
    const results = join(request.run.server.address, 'tree', 'results.tap');
    await writeFile(results, 'old\n');
    const runner = scratch.runner();
    await (await runner.start(request, NEVER)).ended;
    expect(await scratch.file(request, 'log')).toContain('No such file');
    expect((await runner.start(request, NEVER)).adopted).toBe(true);
    expect(await readFile(results, 'utf8')).toBe('new\n');
  });

  it('reads results from the work tree only', async () => {
    const request = await scratch.request(['sh', '-c', 'printf "1..1\\nnot ok 1 - a b\\n" >results.tap']);
    const { server } = request.run;
    const runner = scratch.runner({ resultsLimitBytes: 50 });
    await (await runner.start(request, NEVER)).ended;
    const read = (file: string) => runner.readResults(server, { format: 'tap', file }, 60_000, NEVER);
    expect(await read('results.tap')).toEqual({ passed: 0, failed: 1, skipped: 0, failures: ['a b'] });
    await symlink('results.tap', join(server.address, 'tree', 'link.tap'));
    expect(await read('link.tap')).toEqual({ unreadable: 'link.tap: it is a symbolic link' });
    await writeFile(join(server.address, 'tree', 'large.tap'), 'x'.repeat(51));
    expect(await read('large.tap')).toEqual({ unreadable: 'large.tap: it is larger than 50 bytes' });
  });

  it('leaves no waiting process after detach', async () => {
    const request = await scratch.request(['sleep', FOR_EVER]);
    const runner = scratch.runner();
    const handle = await runner.start(request, NEVER);
    const waiting = () => processesOf(join(scratch.directory(request), 'lock')).length;
    const own = await until('our flock', () => waiting() > 1 && waiting());
    handle.detach();
    await until('the end of our flock', () => waiting() < own);
    await runner.stop(request.run, NEVER);
    await until('the end of all', () => processesOf(scratch.root).length === 0);
  });
});
