/** A stop ends every process of a run, whatever it does against it, and whatever is left of its runner. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../fixtures/never.ts';
import { mountSmallDisk } from '../../fixtures/small-disk.ts';
import { FOR_EVER, isAlive, kill, processesOf, Scratch, sessionOf, until, written } from './scratch.ts';

/** Ignores SIGTERM; has children in sessions of their own, with no environment, and with neither that nor our lock. */
const STUBBORN = `
  trap "" TERM
  setsid sh -c "trap '' TERM; while :; do sleep 0.1; done" &
  env -i setsid sh -c "while :; do sleep 0.1; done" &
  (exec 9>&-; env -i sleep ${FOR_EVER}) &
  sh -c "setsid sleep ${FOR_EVER} &"
  echo $$ >"$1/ready"
  while :; do sleep 0.1; done`;

describe('stop', () => {
  let scratch: Scratch;

  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(() => scratch.close());

  async function started(script: string) {
    const request = await scratch.script(script);
    const runner = scratch.runner({ graceMs: 500 });
    const handle = await runner.start(request, NEVER);
    await written(join(scratch.root, 'ready'));
    return { request, runner, handle };
  }
  const guardOf = async (request: Parameters<Scratch['file']>[0]) =>
    Number(await scratch.file(request, 'guard'));
  const nothingLeft = () => until('the end of everything', () => processesOf(scratch.root).length === 0);

  it('lets a command that heeds SIGTERM put its things in order, and keeps what it wrote', async () => {
    const { request, runner, handle } = await started(
      'trap "echo tidied; exit 0" TERM; echo >"$1/ready" x; while :; do sleep 0.05; done',
    );
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(await scratch.file(request, 'log')).toMatch(/tidied\n$/);
    await nothingLeft();
  });

  it('ends what ignores it, and children that went away', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    const members = processesOf(scratch.directory(request)).concat(processesOf(`sleep\0${FOR_EVER}`));
    expect(new Set(members.map(sessionOf)).size).toBeGreaterThan(2);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await until('their end', () => !members.some(isAlive));
    await nothingLeft();
  });

  it('is given up as soon as its signal aborts, and can be asked for again', async () => {
    const request = await scratch.script(STUBBORN);
    const patient = scratch.runner({ graceMs: 3_600_000 });
    const handle = await patient.start(request, NEVER);
    await written(join(scratch.root, 'ready'));
    const giveUp = new AbortController();
    const stopping = patient.stop(request.run, giveUp.signal);
    await until('its stop', () => existsSync(join(scratch.directory(request), 'stop')));
    giveUp.abort();
    await expect(stopping).rejects.toThrow('aborted before it was done');
    kill(await guardOf(request));
    await scratch.runner({ graceMs: 500 }).stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await nothingLeft();
  });

  it('does the same when the guard was killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    kill(await guardOf(request));
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await nothingLeft();
  });

  it('does the same when the runner was killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    kill(handle.pid);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await nothingLeft();
  });

  it('does the same when both were killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    for (const pid of [handle.pid, await guardOf(request)]) kill(pid);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await nothingLeft();
  });

  it('does not wait forever for a runner that stands still', async () => {
    const { request, handle } = await started(STUBBORN);
    for (const pid of [handle.pid, await guardOf(request)]) kill(pid, 'SIGSTOP');
    await scratch.runner({ graceMs: 300, killTimeoutMs: 1_000 }).stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await until('its end', () => !isAlive(handle.pid));
  });

  it('needs no room on the disk', async (context) => {
    const disk = mountSmallDisk(scratch.stateDir, '1m');
    if (typeof disk === 'string') return context.skip(disk);
    try {
      const { request, runner, handle } = await started('echo x >"$1/ready"; while :; do sleep 0.1; done');
      disk.fill();
      await runner.stop(request.run, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      await nothingLeft();
    } finally {
      disk.close();
    }
  });

  it('ends children that a run has left behind when it ended', async () => {
    const { request, runner, handle } = await started(
      `setsid sleep ${FOR_EVER} & echo x >"$1/ready"; exit 0`,
    );
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(processesOf(`SOS_CI_RUN=${scratch.directory(request)}`)).toHaveLength(1);
    await runner.stop(request.run, NEVER);
    await nothingLeft();
    expect((await scratch.file(request, 'rc')).trim()).toBe('exited 0');
  });

  it('touches nothing of another run, and no process that took over a pid', async () => {
    const bystander = await scratch.request(['sleep', FOR_EVER]);
    const runner = scratch.runner();
    const beside = await runner.start(bystander, NEVER);
    const { request, handle } = await started(STUBBORN);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(beside.pid)).toBe(true);
    // As after a reboot: the files name a process that has nothing to do with the run.
    await scratch.put(
      join('state', 'runs', request.run.owner.job, '1', 'testing', 'guard'),
      `${beside.pid}\n`,
    );
    await scratch.put(join('state', 'runs', request.run.owner.job, '1', 'testing', 'pid'), `${beside.pid}\n`);
    await runner.stop(request.run, NEVER);
    expect(isAlive(beside.pid)).toBe(true);
    await runner.stop(bystander.run, NEVER);
    expect(await beside.ended).toEqual({ how: 'stopped' });
  });
});
