/** A stage survives the daemon that started it: it is adopted, ended at its deadline, or found lost. */

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../fixtures/never.ts';
import { FOR_EVER, isAlive, kill, processesOf, type RunStage, Scratch, until, written } from './scratch.ts';
import { SmallDaemonProgram } from './small-daemon.ts';

const TICK =
  'echo $$ >>"$1/pids"; until [ -s "$1/end" ]; do echo tick; sleep 0.05; done; exit "$(cat "$1/end")"';

describe('a stage whose daemon is killed', () => {
  const program = new SmallDaemonProgram();
  let scratch: Scratch;

  beforeAll(() => program.build());
  afterAll(() => program.remove());
  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.close());

  const pids = () => readFileSync(join(scratch.root, 'pids'), 'utf8').trim().split('\n').map(Number);

  /** Starts the stage in a daemon that is killed, with its process group, once the stage runs. */
  async function startAndKillDaemon(request: RunStage): Promise<number> {
    const daemon = program.start(scratch.stateDir, request);
    const { value } = await daemon.lines.next();
    await daemon.killGroup();
    const { pid }: { pid: number } = JSON.parse(value);
    return pid;
  }

  it('continues, and the next daemon adopts the same process', async () => {
    const request = await scratch.script(TICK);
    const pid = await startAndKillDaemon(request);
    const [command = 0] = [Number(await written(join(scratch.root, 'pids')))];
    expect([isAlive(pid), isAlive(command)]).toEqual([true, true]);
    const handle = await scratch.runner().start(request, NEVER);
    expect(handle).toMatchObject({ pid, adopted: true });
    const before = (await scratch.file(request, 'log')).length;
    await until('a growing log', async () => (await scratch.file(request, 'log')).length > before);
    await scratch.put('end', '5');
    expect(await handle.ended).toEqual({ how: 'exited', code: 5 });
    expect(pids()).toEqual([command]);
  });

  it('ends without a daemon, and the next daemon finds its exit record', async () => {
    const request = await scratch.script(TICK);
    await startAndKillDaemon(request);
    await scratch.put('end', '9');
    await until('the end of everything', () => processesOf(scratch.root).length === 0);
    const handle = await scratch.runner().start(request, NEVER);
    expect(handle.adopted).toBe(true);
    expect(await handle.ended).toEqual({ how: 'exited', code: 9 });
    expect(pids()).toHaveLength(1);
  });

  it('is ended at its deadline without a daemon, including its children', async () => {
    const request = await scratch.script(
      `trap "" TERM; setsid sleep ${FOR_EVER} & env -i setsid sleep ${FOR_EVER}1 & echo $$ >"$1/pids"; while :; do sleep 0.05; done`,
      { timeoutMs: 1_500 },
    );
    await startAndKillDaemon(request);
    await until('the end of everything', () => processesOf(scratch.root).length === 0);
    expect(isAlive(pids()[0] ?? 0)).toBe(false);
    expect(processesOf(`sleep\0${FOR_EVER}1`)).toEqual([]);
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'timedOut' });
  });

  it('starts at most once, whenever the daemon is killed during the start', async () => {
    for (const delayMs of [0, 30, 60, 80, 100, 120, 140, 160, 180, 200, 250]) {
      const request = await scratch.script(`echo x >>"$1/begun-${delayMs}"; exit 3`);
      const daemon = program.start(scratch.stateDir, request);
      // Varies the time of the kill.
      await setTimeout(delayMs);
      await daemon.killGroup();
      const handle = await scratch.runner().start(request, NEVER);
      expect(await handle.ended).toEqual({ how: 'exited', code: 3 });
      expect(readFileSync(join(scratch.root, `begun-${delayMs}`), 'utf8')).toBe('x\n');
    }
  });

  it('starts once when three daemons start it at the same time', async () => {
    const request = await scratch.script(TICK);
    const daemons = [1, 2, 3].map(() => program.start(scratch.stateDir, request));
    const starts = await Promise.all(
      daemons.map(async ({ lines }) => JSON.parse((await lines.next()).value)),
    );
    expect(starts.filter(({ adopted }) => !adopted)).toHaveLength(1);
    await scratch.put('end', '0');
    for (const { lines } of daemons)
      expect(JSON.parse((await lines.next()).value)).toEqual({ how: 'exited', code: 0 });
    expect(pids()).toHaveLength(1);
  });
});

describe('a stage whose runner is killed', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.close());

  it('still runs while its command runs, and is lost when that ends', async () => {
    const request = await scratch.script(TICK);
    const runner = scratch.runner();
    const handle = await runner.start(request, NEVER);
    const command = Number(await written(join(scratch.root, 'pids')));
    let ended = false;
    void handle.ended.then(() => {
      ended = true;
    });
    kill(handle.pid);
    await until('the end of the runner', () => !isAlive(handle.pid));
    const again = await runner.start(request, NEVER);
    expect(again).toMatchObject({ pid: handle.pid, adopted: true });
    expect([isAlive(command), ended]).toEqual([true, false]);
    await scratch.put('end', '0');
    expect(await handle.ended).toEqual({
      how: 'lost',
      why: 'all its processes are gone and none recorded how it ended',
    });
    expect(await again.ended).toHaveProperty('how', 'lost');
    const after = await runner.start(request, NEVER);
    expect(await after.ended).toHaveProperty('how', 'lost');
    await until('the end of all helpers', () => processesOf(scratch.root).length === 0);
  });

  it('is still ended at its deadline', async () => {
    const request = await scratch.request(['sleep', FOR_EVER], { timeoutMs: 1_500 });
    const handle = await scratch.runner().start(request, NEVER);
    kill(handle.pid);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await until('the end of everything', () => processesOf(scratch.root).length === 0);
  });

  it('is lost when everything is killed at once', async () => {
    const request = await scratch.request(['sleep', FOR_EVER]);
    const handle = await scratch.runner().start(request, NEVER);
    await written(join(scratch.directory(request), 'command'));
    for (const pid of processesOf(request.run.server.id)) kill(pid);
    expect(await handle.ended).toHaveProperty('how', 'lost');
  });

  it('is lost when its exit record is damaged', async () => {
    const request = await scratch.request(['true']);
    const runner = scratch.runner();
    await (await runner.start(request, NEVER)).ended;
    for (const text of ['exited', 'exited 0', 'exited x\n', 'done\n', 'stopped 3\n']) {
      writeFileSync(join(scratch.directory(request), 'rc'), text);
      const handle = await runner.start(request, NEVER);
      expect(await handle.ended).toMatchObject({ how: 'lost', why: expect.stringContaining('damaged') });
    }
  });

  it('is lost when its exit record is empty, as after a power cut', async () => {
    const request = await scratch.request(['true']);
    const runner = scratch.runner();
    await (await runner.start(request, NEVER)).ended;
    writeFileSync(join(scratch.directory(request), 'rc'), '');
    const handle = await runner.start(request, NEVER);
    expect(await handle.ended).toMatchObject({
      how: 'lost',
      why: expect.stringContaining('none recorded how it ended'),
    });
  });

  it('is detected as lost even if the waiting flock was killed', async () => {
    const request = await scratch.script(TICK);
    const handle = await scratch.runner({ slowPollMs: 100 }).start(request, NEVER);
    await written(join(scratch.root, 'pids'));
    const lock = join(scratch.directory(request), 'lock');
    const firstFlock = await until('our flock', () => processesOf(`--shared\0${lock}`)[0]);
    kill(firstFlock);
    const second = await until('another flock', () =>
      processesOf(`--shared\0${lock}`).find((pid) => pid !== firstFlock),
    );
    expect(isAlive(second)).toBe(true);
    kill(handle.pid);
    await scratch.put('end', '0');
    expect(await handle.ended).toHaveProperty('how', 'lost');
  });
});
