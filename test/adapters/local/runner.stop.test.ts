/** A stop ends every process of a run, even if processes resist or the runner is dead. */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NEVER } from '../../fixtures/never.ts';
import { mountSmallDisk } from '../../fixtures/small-disk.ts';
import { FOR_EVER, isAlive, kill, processesOf, Scratch, sessionOf, until, written } from './scratch.ts';

/** Ignores SIGTERM. Its children have their own sessions, no environment, or neither our environment nor our lock. */
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
  const noProcessLeft = () => until('the end of everything', () => processesOf(scratch.root).length === 0);

  it('lets a command clean up on SIGTERM, and keeps its output', async () => {
    const { request, runner, handle } = await started(
      'trap "echo tidied; exit 0" TERM; echo >"$1/ready" x; while :; do sleep 0.05; done',
    );
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(await scratch.file(request, 'log')).toMatch(/tidied\n$/);
    await noProcessLeft();
  });

  it('ends a command that ignores SIGTERM, and detached children', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    const members = processesOf(scratch.directory(request)).concat(processesOf(`sleep\0${FOR_EVER}`));
    expect(new Set(members.map(sessionOf)).size).toBeGreaterThan(2);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await until('their end', () => !members.some(isAlive));
    await noProcessLeft();
  });

  it('is aborted by its signal, and can be repeated', async () => {
    const request = await scratch.script(STUBBORN);
    const slowRunner = scratch.runner({ graceMs: 3_600_000 });
    const handle = await slowRunner.start(request, NEVER);
    await written(join(scratch.root, 'ready'));
    const abort = new AbortController();
    const stopping = slowRunner.stop(request.run, abort.signal);
    await until('its stop', () => existsSync(join(scratch.directory(request), 'stop')));
    abort.abort();
    await expect(stopping).rejects.toThrow('aborted before it was done');
    kill(await guardOf(request));
    await scratch.runner({ graceMs: 500 }).stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await noProcessLeft();
  });

  it('ends the run if the guard was killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    kill(await guardOf(request));
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await noProcessLeft();
  });

  it('ends the run if the runner was killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    kill(handle.pid);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await noProcessLeft();
  });

  it('ends the run if both were killed', async () => {
    const { request, runner, handle } = await started(STUBBORN);
    for (const pid of [handle.pid, await guardOf(request)]) kill(pid);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await noProcessLeft();
  });

  it('does not wait forever for a suspended runner', async () => {
    const { request, handle } = await started(STUBBORN);
    for (const pid of [handle.pid, await guardOf(request)]) kill(pid, 'SIGSTOP');
    await scratch.runner({ graceMs: 300, killTimeoutMs: 1_000 }).stop(request.run, NEVER);
    expect(await handle.ended).toHaveProperty('how', 'lost');
    await until('its end', () => !isAlive(handle.pid));
  });

  it('needs no disk space', async (context) => {
    const disk = mountSmallDisk(scratch.stateDir, '1m');
    if (typeof disk === 'string') return context.skip(disk);
    try {
      const { request, runner, handle } = await started('echo x >"$1/ready"; while :; do sleep 0.1; done');
      disk.fill();
      await runner.stop(request.run, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      await noProcessLeft();
    } finally {
      disk.close();
    }
  });

  it('ends children that an ended run has left', async () => {
    const { request, runner, handle } = await started(
      `setsid sleep ${FOR_EVER} & echo x >"$1/ready"; exit 0`,
    );
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(processesOf(`SOS_CI_RUN=${scratch.directory(request)}`)).toHaveLength(1);
    await runner.stop(request.run, NEVER);
    await noProcessLeft();
    expect((await scratch.file(request, 'rc')).trim()).toBe('exited 0');
  });

  it('ends no process of another run, and none that reused a pid', async () => {
    const bystander = await scratch.request(['sleep', FOR_EVER]);
    const runner = scratch.runner();
    const bystanderHandle = await runner.start(bystander, NEVER);
    const { request, handle } = await started(STUBBORN);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(bystanderHandle.pid)).toBe(true);
    // As after a reboot: the files contain the pid of an unrelated process.
    await scratch.put(
      join('state', 'runs', request.run.owner.job, '1', 'testing', 'guard'),
      `${bystanderHandle.pid}\n`,
    );
    await scratch.put(
      join('state', 'runs', request.run.owner.job, '1', 'testing', 'pid'),
      `${bystanderHandle.pid}\n`,
    );
    await runner.stop(request.run, NEVER);
    expect(isAlive(bystanderHandle.pid)).toBe(true);
    await runner.stop(bystander.run, NEVER);
    expect(await bystanderHandle.ended).toEqual({ how: 'stopped' });
  });
});
