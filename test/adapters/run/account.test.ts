/** A local server whose commands run as a separate account: what they can reach, and that all of its processes end. */
import { chmodSync, existsSync, lstatSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { accountOf, giveTree } from '../../../src/adapters/run/account.ts';
import type { RunStage } from '../../../src/adapters/run/stage-environment.ts';
import { OperationError } from '../../../src/errors.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { FOR_EVER, isAlive, Scratch, until, written } from '../local/scratch.ts';

const { it } = needs('setpriv');

const USER = 'nobody';

describe('a local server with an account', () => {
  let scratch: Scratch;
  beforeEach((context) => {
    scratch = new Scratch();
    if (process.getuid?.() !== 0) context.skip('only root can switch to another account');
    chmodSync(scratch.root, 0o711);
  });
  afterEach(() => scratch.close());

  const provider = () => scratch.newProvider({ user: USER });

  /** A stage with this script on a server of that account. */
  async function script(text: string): Promise<RunStage> {
    const request = await scratch.script(text);
    const server = await provider().create({ ...serverRequest(), owner: request.run.owner }, NEVER);
    return { ...request, run: { ...request.run, server } };
  }

  it('runs commands as that account: they reach their server, and no file of the daemon', async () => {
    const account = await accountOf(USER);
    const key = join(scratch.root, 'key');
    writeFileSync(key, 'a private key', { mode: 0o600 });
    const request = await script(
      'id -u; cat "$1/key" || echo refused; ls "$1/state" || echo hidden; echo x >"$SOS_CI_WORKTREE/made"; echo y >"$HOME/made"; exit 3',
    );
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 3 });
    const log = await scratch.file(request, 'log');
    expect(log).toMatch(new RegExp(`^${account.uid}\n`));
    expect(log).toContain('refused');
    expect(log).toContain('hidden');
    expect(log).not.toContain('a private key');
    const { address } = request.run.server;
    for (const file of [join(address, 'tree', 'made'), join(address, 'home', 'made')])
      expect(statSync(file).uid).toBe(account.uid);
    // The record of the run is out of reach.
    expect(statSync(scratch.directory(request))).toMatchObject({ uid: 0 });
  });

  it('distinguishes a missing program from one that failed', async () => {
    const request = await script('true');
    const missing = { ...request, spec: { ...request.spec, argv: ['no-such-program'] } };
    const handle = await scratch.runner().start(missing, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 127 });
  });

  it('is stopped, found by a provider without an account, and deleted with its remains', async () => {
    const request = await script(`sleep ${FOR_EVER} & echo $! >"$HOME/pid"; wait`);
    const { server, owner } = request.run;
    const handle = await scratch.runner().start(request, NEVER);
    const pid = Number(await written(join(server.address, 'home', 'pid')));
    expect(isAlive(pid)).toBe(true);
    await scratch.runner().stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    await until('the end of the command', () => !isAlive(pid));
    const later = scratch.newProvider();
    const found = await later.list({ deployment: owner.deployment, job: owner.job }, NEVER);
    expect(found.map((one) => one.server.id)).toContain(server.id);
    await later.delete(server, owner.deployment, NEVER);
    expect(existsSync(server.address)).toBe(false);
  });

  it('kills remaining processes of the account when it is deleted', async () => {
    const request = await script(`setsid sleep ${FOR_EVER} & echo $! >"$HOME/pid"`);
    const handle = await scratch.runner().start(request, NEVER);
    const pid = Number(await written(join(request.run.server.address, 'home', 'pid')));
    await provider().delete(request.run.server, request.run.owner.deployment, NEVER);
    await until('the end of the command', () => !isAlive(pid));
    await handle.ended;
  });

  it('transfers ownership of a tree with its links, and follows none', async () => {
    const request = await script('true');
    const { address } = request.run.server;
    const mine = join(scratch.root, 'mine');
    writeFileSync(mine, '');
    const tree = join(address, 'tree');
    writeFileSync(join(tree, 'file'), '');
    symlinkSync(mine, join(tree, 'link'));
    const account = await accountOf(USER);
    await giveTree(tree, account, NEVER);
    expect(statSync(join(tree, 'file')).uid).toBe(account.uid);
    expect(lstatSync(join(tree, 'link')).uid).toBe(account.uid);
    expect(statSync(mine).uid).toBe(0);
  });

  it.each(['root', 'no-such-account', '-u'])('refuses the account %s', async (user) => {
    const refused = scratch.newProvider({ user }).create(serverRequest(), NEVER);
    await expect(refused).rejects.toThrow(OperationError);
    await expect(refused).rejects.toMatchObject({ retryable: false });
  });
});
