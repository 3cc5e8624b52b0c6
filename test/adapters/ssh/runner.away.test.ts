/** A run on a node survives lost connections, restarts of the daemon and outages of the node, without losing output. */

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import type { SshConfig } from '../../../src/config/config.ts';
import { CuttingProxy } from '../../fixtures/cutting-proxy.ts';
import { sampled } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { FOR_EVER, isAlive, kill, processesOf, until, written } from '../local/scratch.ts';
import { NodeScratch } from './scratch.ts';

const { it } = needs('sshd');

let sshd: Sshd;
let proxy: CuttingProxy;
const scratches: NodeScratch[] = [];
beforeAll(async () => {
  sshd = await Sshd.start();
});
beforeEach(async () => {
  proxy = await CuttingProxy.start(sshd.port);
});
afterEach(async () => {
  for (const one of scratches.splice(0)) await one.close();
  await proxy.close();
});
afterAll(() => sshd.close());

function newScratch(change: Partial<SshConfig> = {}): NodeScratch {
  const created = new NodeScratch({ port: proxy.port, user: sshd.user, keyFile: sshd.keyFile }, change);
  scratches.push(created);
  return created;
}

/** Renames the directory, which is atomic. A recursive removal fails if the run creates a file in it meanwhile. */
const hideDirectory = (directory: string) => renameSync(directory, `${directory}.gone`);
/** Prints numbered lines until `$1/end` exists, no faster than a busy machine reads them. */
const COUNT =
  'n=0; until [ -e "$1/end" ]; do n=$((n + 1)); echo "$n of many"; [ $((n % 500)) -ne 0 ] || sleep 0.01; done; echo "$n" >"$1/last"';
const lines = (log: string) => log.split('\n').slice(0, -1);
const numberedLines = (last: number) => Array.from({ length: last }, (_, index) => `${index + 1} of many`);
const steps = (step: number, from: number, to: number) =>
  Array.from({ length: Math.ceil((to - from) / step) }, (_, index) => from + index * step);
const HUGE = { outputLimitBytes: 1024 * 1024 * 1024 };

describe('a connection that is cut', () => {
  it('in the middle of lines, again and again: each line arrives once, in order', async () => {
    const scratch = newScratch();
    const request = scratch.script(COUNT, HUGE);
    const handle = await scratch.runner().start(request, NEVER);
    for (const bytes of sampled(steps(2_741, 3_000, 60_000))) await proxy.cutAfter(bytes);
    await scratch.put('end', '');
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    const last = Number(readFileSync(join(scratch.root, 'last'), 'utf8'));
    expect(lines(await scratch.log(request))).toEqual(numberedLines(last));
    expect(last).toBeGreaterThan(1_000);
  });

  it('at any point of a start: the stage starts once', async () => {
    const scratch = newScratch();
    for (const bytes of sampled(steps(400, 200, 9_000))) {
      const request = scratch.script(`echo x >>"$1/begun-${bytes}"; exit 3`);
      const cut = proxy.cutAfter(bytes);
      const handle = await scratch.runner().start(request, NEVER);
      expect(await handle.ended).toEqual({ how: 'exited', code: 3 });
      proxy.cut();
      await cut;
      expect(readFileSync(join(scratch.root, `begun-${bytes}`), 'utf8')).toBe('x\n');
    }
  });

  it('during a stop: the stage is stopped', async () => {
    const scratch = newScratch();
    const request = scratch.request(['sleep', FOR_EVER]);
    const runner = scratch.runner();
    const handle = await runner.start(request, NEVER);
    const cut = proxy.cutAfter(800);
    await runner.stop(request.run, NEVER);
    expect(await handle.ended).toEqual({ how: 'stopped' });
    proxy.cut();
    await cut;
  });

  it('while results are read: they are read again', async () => {
    const scratch = newScratch();
    const request = scratch.script(
      'printf "TAP version 14\\n1..20000\\n" >results.tap; seq -f "ok %g - t" 20000 >>results.tap',
    );
    const runner = scratch.runner();
    await (await runner.start(request, NEVER)).ended;
    const cut = proxy.cutAfter(100_000);
    const results = await runner.readResults(
      request.run.server,
      { format: 'tap', file: 'results.tap' },
      60_000,
      NEVER,
    );
    await cut;
    expect(results).toMatchObject({ passed: 20_000, failed: 0 });
  });
});

describe('another daemon', () => {
  it('continues at the byte where the previous one stopped', async () => {
    const scratch = newScratch();
    const request = scratch.script(COUNT, HUGE);
    const size = async () => (await scratch.log(request).catch(() => '')).length;
    const pids: number[] = [];
    for (let round = 1; round <= 4; round += 1) {
      const before = await size();
      const nodes = scratch.newNodes();
      const handle = await scratch.runner({ nodes }).start(request, NEVER);
      pids.push(handle.pid);
      await until(`more to read in round ${round}`, async () => (await size()) > before + 5_000);
      handle.detach();
      await nodes.close();
      // Waits until pending writes have finished.
      for (let last = -1; last !== (await size()); await pause(50)) last = await size();
    }
    await scratch.put('end', '');
    const handle = await scratch.runner().start(request, NEVER);
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(new Set([...pids, handle.pid]).size).toBe(1);
    const last = Number(readFileSync(join(scratch.root, 'last'), 'utf8'));
    expect(lines(await scratch.log(request))).toEqual(numberedLines(last));
  });

  it('finds a run that was not recorded on this host', async () => {
    const scratch = newScratch();
    const request = scratch.script('echo x >>"$1/begun"; until [ -e "$1/end" ]; do sleep 0.05; done; exit 4');
    const runner = scratch.runner();
    const first = await runner.start(request, NEVER);
    first.detach();
    hideDirectory(scratch.localRunDirectory(request));
    const second = await scratch.runner().start(request, NEVER);
    expect(second).toMatchObject({ pid: first.pid, adopted: true });
    await scratch.put('end', '');
    expect(await second.ended).toEqual({ how: 'exited', code: 4 });
    expect(readFileSync(join(scratch.root, 'begun'), 'utf8')).toBe('x\n');
  });

  it('needs no node for a run that has ended and was read completely', async () => {
    const scratch = newScratch();
    const request = scratch.script('exit 6');
    await (await scratch.runner().start(request, NEVER)).ended;
    await scratch.nodes.close();
    proxy.accepts = false;
    const after = await scratch.runner({ nodes: scratch.newNodes() }).start(request, NEVER);
    expect(after.adopted).toBe(true);
    expect(await after.ended).toEqual({ how: 'exited', code: 6 });
  });

  it('waits for an unreachable node when it starts', async () => {
    const scratch = newScratch();
    const request = scratch.script('until [ -e "$1/end" ]; do sleep 0.05; done; echo done; exit 2');
    await scratch.runner().start(request, NEVER);
    await scratch.nodes.close();
    proxy.accepts = false;
    const contacts: string[] = [];
    const note = (contact: string) => contact !== contacts.at(-1) && contacts.push(contact);
    const after = await scratch.runner({ nodes: scratch.newNodes() }).start(request, NEVER, note);
    await scratch.put('end', '');
    const before = proxy.connections;
    await until('some attempts', () => proxy.connections > before + 3);
    proxy.accepts = true;
    expect(await after.ended).toEqual({ how: 'exited', code: 2 });
    expect(await scratch.log(request)).toBe('done\n');
    expect(contacts).toEqual(['away', 'back']);
  });
});

describe('a node that goes down', () => {
  it('and stays down too long has lost its run', async () => {
    const scratch = newScratch({ reconnectTimeoutMs: 1_000 });
    const request = scratch.request(['sleep', FOR_EVER]);
    const handle = await scratch.runner().start(request, NEVER);
    proxy.accepts = false;
    proxy.cut();
    expect(await handle.ended).toEqual({
      how: 'lost',
      why: expect.stringMatching(
        /^the server has been unreachable since \d{4}-.*Z; last error: no connection to /,
      ),
    });
  });

  it('and comes back as another host has lost its run at once', async () => {
    const scratch = newScratch();
    const request = scratch.request(['sleep', FOR_EVER]);
    const handle = await scratch.runner().start(request, NEVER);
    const other = await Sshd.start();
    const pin = join(scratch.stateDir, 'host-keys', `lab-${request.run.server.id}`);
    writeFileSync(pin, `${other.hostKey.split(' ')[1]}\n`);
    proxy.cut();
    expect(await handle.ended).toEqual({
      how: 'lost',
      why: expect.stringContaining('is pinned for this server'),
    });
    await other.close();
  });

  it('and comes up again still has its run', async () => {
    const own = await Sshd.start();
    const scratch = new NodeScratch(own);
    scratches.push(scratch);
    const request = scratch.script('until [ -e "$1/end" ]; do sleep 0.05; done; echo went on');
    const handle = await scratch.runner().start(request, NEVER);
    await own.down();
    await scratch.put('end', '');
    await until(
      'the end of the run',
      () => processesOf(`SOS_CI_RUN=${scratch.nodeRunDirectory(request)}`).length === 0,
    );
    await own.up();
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    expect(await scratch.log(request)).toBe('went on\n');
    await own.close();
  });

  it('has lost a run whose processes ended without an exit record', async () => {
    const scratch = newScratch();
    const request = scratch.request(['sleep', FOR_EVER]);
    const handle = await scratch.runner().start(request, NEVER);
    await written(join(scratch.nodeRunDirectory(request), 'command'));
    for (const pid of processesOf(`SOS_CI_SERVER=${request.run.server.id}`)) kill(pid);
    expect(await handle.ended).toEqual({
      how: 'lost',
      why: 'all its processes are gone and none recorded how it ended',
    });
  });

  it('has lost a run whose directory is missing', async () => {
    const scratch = newScratch();
    const request = scratch.request(['sleep', FOR_EVER]);
    const handle = await scratch.runner().start(request, NEVER);
    hideDirectory(scratch.nodeRunDirectory(request));
    for (const pid of processesOf(`SOS_CI_SERVER=${request.run.server.id}`)) kill(pid);
    expect(await handle.ended).toHaveProperty('how', 'lost');
  });

  it('still has a run whose runner was killed, while its command runs', async () => {
    const scratch = newScratch();
    const request = scratch.script(
      'echo $$ >"$1/command"; until [ -e "$1/end" ]; do sleep 0.05; done; echo last',
    );
    const handle = await scratch.runner().start(request, NEVER);
    const command = Number(await written(join(scratch.root, 'command')));
    let ended = false;
    void handle.ended.then(() => {
      ended = true;
    });
    kill(handle.pid);
    await until('its end', () => !isAlive(handle.pid));
    expect([isAlive(command), ended]).toEqual([true, false]);
    await scratch.put('end', '');
    expect(await handle.ended).toHaveProperty('how', 'lost');
    expect(await scratch.log(request)).toBe('last\n');
  });

  it('is polled if the process that waits for the end was killed', async () => {
    const scratch = newScratch({ pollIntervalMs: 300 });
    const request = scratch.script('until [ -e "$1/end" ]; do sleep 0.05; done');
    const handle = await scratch.runner().start(request, NEVER);
    const waiting = () => processesOf(`flock\0-s\0${scratch.nodeRunDirectory(request)}`);
    const [first = 0] = await until('the wait', () => waiting().length > 0 && waiting());
    kill(first, 'SIGSTOP');
    await scratch.put('end', '');
    expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    kill(first);
  });
});
