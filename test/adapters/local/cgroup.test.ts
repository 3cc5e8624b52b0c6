/**
 * Processes that hide from the environment mark and the lock end with a stop, a deadline or their server, if this host
 * allows cgroups.
 */

import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { groupsOf } from '../../../src/adapters/local/cgroup.ts';
import { endHidden, HIDE, hiddenPid, needCgroups } from '../../fixtures/hiding.ts';
import { NEVER } from '../../fixtures/never.ts';
import { FOR_EVER, isAlive, Scratch, until, written } from './scratch.ts';

describe('a process that hides', () => {
  let scratch: Scratch;
  beforeEach(() => {
    scratch = new Scratch();
  });
  afterEach(async () => {
    endHidden(scratch.root);
    await scratch.close();
  });

  const hidden = () => hiddenPid(scratch.root);

  it('ends with a stop', async (context) => {
    await needCgroups(context);
    const request = await scratch.script(`${HIDE}; sleep ${FOR_EVER}`);
    const runner = scratch.runner({ graceMs: 300 });
    const handle = await runner.start(request, NEVER);
    const pid = await hidden();
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(pid)).toBe(false);
  });

  it('ends at the deadline', async (context) => {
    await needCgroups(context);
    const request = await scratch.script(`${HIDE}; sleep ${FOR_EVER}`, { timeoutMs: 2_000 });
    const handle = await scratch.runner({ graceMs: 300 }).start(request, NEVER);
    const pid = await hidden();
    expect(await handle.ended).toEqual({ how: 'timedOut' });
    expect(isAlive(pid)).toBe(false);
  });

  it('ends when its server is deleted, and leaves no cgroup', async (context) => {
    await needCgroups(context);
    const request = await scratch.script(HIDE);
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const pid = await hidden();
    const [group = ''] = await groupsOf(request.run.server, [scratch.directory(request)]);
    expect(isAlive(pid)).toBe(true);
    await scratch.provider.delete(request.run.server, 'ours', NEVER);
    expect(isAlive(pid)).toBe(false);
    expect([group === '', existsSync(group)]).toEqual([false, false]);
  });

  it('without one, the cgroup is removed with the command', async (context) => {
    await needCgroups(context);
    const request = await scratch.script('sed -n s/^0:://p /proc/self/cgroup');
    await (await scratch.runner().start(request, NEVER)).ended;
    const group = (await scratch.file(request, 'group')).trim();
    expect(group.endsWith((await scratch.file(request, 'log')).trim())).toBe(true);
    await until('the end of its cgroup', () => !existsSync(group));
  });

  it('is in a cgroup of its own, even when two runs have a server and a stage of the same name', async (context) => {
    await needCgroups(context);
    const first = await scratch.script(`sleep ${FOR_EVER}`);
    const second = await scratch.script(`sleep ${FOR_EVER}`);
    const same = { ...second, run: { ...second.run, server: first.run.server } };
    const runner = scratch.runner({ graceMs: 300 });
    const handle = await runner.start(first, NEVER);
    const other = await runner.start(same, NEVER);
    const groups = await Promise.all(
      [first, same].map((request) => written(join(scratch.directory(request), 'group'))),
    );
    expect(new Set(groups).size).toBe(2);
    await runner.stop(first.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(other.pid ?? 0)).toBe(true);
    await runner.stop(same.run, NEVER);
    expect(await other.ended).toEqual({ how: 'stopped' });
  });

  it('is never a foreign process, even if the job names another cgroup or a similar directory', async (context) => {
    await needCgroups(context);
    const request = await scratch.script(`until [ -e "$1/go" ]; do sleep 0.05; done`);
    const runner = scratch.runner({ graceMs: 300 });
    const handle = await runner.start(request, NEVER);
    const directory = scratch.directory(request);
    const own = (await written(join(directory, 'group'))).trim();
    const bystander = spawn('sleep', [FOR_EVER], { stdio: 'ignore' });
    const other = join(own, '..', `sos-ci-other-${process.pid}`);
    mkdirSync(other);
    try {
      writeFileSync(join(other, 'cgroup.procs'), String(bystander.pid));
      const [, name = ''] = /([^/]*)$/.exec(own) ?? [];
      const fake = join(scratch.root, name);
      mkdirSync(fake);
      writeFileSync(join(fake, 'cgroup.procs'), `${bystander.pid}\n`);
      for (const path of [other, fake, '/', 'nothing', '']) {
        writeFileSync(join(directory, 'group'), `${path}\n`);
        expect(await groupsOf(request.run.server, [directory])).toEqual([]);
        await runner.stop(request.run, NEVER);
        expect(isAlive(bystander.pid ?? 0)).toBe(true);
      }
      expect(await handle.ended).toEqual({ how: 'stopped' });
    } finally {
      bystander.kill('SIGKILL');
      await until('its end', () => !isAlive(bystander.pid ?? 0));
      rmdirSync(other);
    }
  });
});
