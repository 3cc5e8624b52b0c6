/**
 * Processes on a node that hide from the environment mark and the lock end anyway, if the account can create cgroups.
 */

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { endHidden, HIDE, hiddenPid, needCgroups } from '../../fixtures/hiding.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { FOR_EVER, isAlive } from '../local/scratch.ts';
import { NodeScratch } from './scratch.ts';

const { it } = needs('sshd');

let sshd: Sshd;
beforeAll(async () => {
  sshd = await Sshd.start();
});
afterAll(() => sshd.close());

describe('a process that hides on a node', () => {
  let scratch: NodeScratch;
  beforeEach(() => {
    scratch = new NodeScratch(sshd);
  });
  afterEach(async () => {
    endHidden(scratch.root);
    await scratch.close();
  });

  const hidden = () => hiddenPid(scratch.root);

  it('ends with a stop', async (context) => {
    await needCgroups(context);
    const request = scratch.script(`${HIDE}; sleep ${FOR_EVER}`);
    const runner = scratch.runner({ graceMs: 300 });
    const handle = await runner.start(request, NEVER);
    const pid = await hidden();
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    expect(isAlive(pid)).toBe(false);
  });

  it('ends when its server is deleted, and leaves no cgroup', async (context) => {
    await needCgroups(context);
    const request = scratch.script(HIDE);
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const pid = await hidden();
    const group = readFileSync(join(scratch.nodeRunDirectory(request), 'group'), 'utf8').trim();
    expect([isAlive(pid), existsSync(group)]).toEqual([true, true]);
    const { stateDir, nodes } = scratch;
    const maintenance = new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS, graceMs: 300 });
    await maintenance.wipe(request.run.server, 20_000, NEVER);
    expect([isAlive(pid), existsSync(group)]).toEqual([false, false]);
  });
});
