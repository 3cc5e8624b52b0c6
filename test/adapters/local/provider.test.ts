/** Local servers on a real disk with real processes, including jobs that try to prevent their removal. */

import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Server } from '../../../src/machines/model/domain.ts';
import { providerContract } from '../../contracts/provider.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { FOR_EVER, isAlive, processesOf, Scratch, until, written } from './scratch.ts';

providerContract('local', async () => {
  const scratch = new Scratch();
  return { provider: scratch.provider, close: async () => scratch.close() };
});

const owner = { deployment: 'ours', job: 'job-1', attempt: 2 };

describe('LocalProvider', () => {
  let scratch: Scratch;
  let servers: string;

  beforeEach(() => {
    scratch = new Scratch();
    servers = join(scratch.stateDir, 'servers');
  });
  afterEach(() => scratch.close());

  function create(name: string, provider = scratch.provider): Promise<Server> {
    const request = { ...serverRequest(), name, owner };
    return provider.create(request, new AbortController().signal);
  }
  const list = () => scratch.provider.list({ deployment: 'ours' }, NEVER);

  it('creates a private directory with subdirectories, and a label next to it', async () => {
    const server = await create('sos-ci-1');
    expect(server.address).toBe(join(servers, 'sos-ci-1'));
    expect(statSync(server.address).mode & 0o777).toBe(0o700);
    expect(readdirSync(server.address).sort()).toEqual(['home', 'tmp', 'tree']);
    const label = JSON.parse(readFileSync(join(servers, '.sos-ci-1.json'), 'utf8'));
    expect(label).toEqual({
      id: server.id,
      name: 'sos-ci-1',
      provider: 'local',
      owner,
      createdAt: expect.any(Number),
      madeFrom: expect.stringMatching(/^\.new-/),
    });
    expect(readdirSync(servers)).toEqual(['.sos-ci-1.json', 'sos-ci-1']);
  });

  it.each([
    ['../../evil', 'evil'],
    ['/etc/passwd', 'etc-passwd'],
    ['.new-1-1-aa', 'new-1-1-aa'],
    ['..', 'server'],
    ['a b\n\0ü', 'a-b---'],
    ['x'.repeat(300), 'x'.repeat(100)],
  ])('creates the server %j inside its directory', async (name, expected) => {
    const server = await create(name);
    expect(server).toMatchObject({ name, address: join(servers, expected) });
    expect((await list()).map((one) => one.server)).toEqual([server]);
  });

  it('refuses an existing name, and keeps the existing server', async () => {
    const first = await create('same');
    await expect(create('same')).rejects.toMatchObject({ name: 'OperationError', retryable: false });
    expect((await list()).map(({ server }) => server.id)).toEqual([first.id]);
    expect(readdirSync(servers)).toEqual(['.same.json', 'same']);
  });

  it('reports an error of the disk', async () => {
    mkdirSync(scratch.stateDir, { recursive: true });
    writeFileSync(servers, 'in the way');
    await expect(create('one')).rejects.toMatchObject({ name: 'OperationError', operation: 'create server' });
  });

  it('lists only directories with a valid label', async () => {
    const server = await create('good');
    const labels: readonly [string, string][] = [
      ['not-json', '{'],
      ['null', 'null'],
      ['no-owner', JSON.stringify({ id: 'a'.repeat(16), name: 'x', provider: 'local', createdAt: 1 })],
      ['large', ' '.repeat(100_000)],
      [
        'other-provider',
        JSON.stringify({
          id: 'b'.repeat(16),
          name: 'x',
          provider: 'other',
          createdAt: 1,
          madeFrom: '.new-1',
          owner,
        }),
      ],
    ];
    for (const [name, label] of labels) {
      mkdirSync(join(servers, name));
      writeFileSync(join(servers, `.${name}.json`), label);
    }
    mkdirSync(join(servers, 'linked-label'));
    symlinkSync(join(servers, '.good.json'), join(servers, '.linked-label.json'));
    mkdirSync(join(servers, '.directory.json'));
    mkdirSync(join(servers, 'label-inside'));
    writeFileSync(join(servers, 'label-inside', 'server.json'), readFileSync(join(servers, '.good.json')));
    symlinkSync(server.address, join(servers, 'linked'));
    writeFileSync(join(servers, 'file'), '');
    expect((await list()).map((one) => one.server)).toEqual([server]);
  });

  it('removes only temporary directories of killed processes', async () => {
    await create('one');
    const started = /\) (.*)$/s.exec(readFileSync('/proc/1/stat', 'latin1'))?.[1]?.split(' ')[19];
    for (const name of ['.new-999999999-5-aa', `.new-1-${started}-bb`, '.new-1-1-cc', '.else', 'empty']) {
      mkdirSync(join(servers, name));
    }
    writeFileSync(join(servers, '.new-999999999-5-aa', 'half'), '');
    await list();
    expect(readdirSync(servers).sort()).toEqual([
      '.else',
      `.new-1-${started}-bb`,
      '.one.json',
      'empty',
      'one',
    ]);
  });

  it('creates and lists concurrently', async () => {
    const names = Array.from({ length: 20 }, (_, index) => `many-${index}`);
    const created = await Promise.all(names.flatMap((name) => [create(name), list().then(() => null)]));
    expect(created.filter((one) => one !== null)).toHaveLength(20);
    expect(await list()).toHaveLength(20);
  });

  it('ends every process of the server, even if it tries to escape', async () => {
    const request = await scratch.script(
      `trap "" TERM
       setsid sh -c "trap '' TERM; while :; do sleep 0.1; done" &
       env -i setsid sh -c "while :; do sleep 0.1; done" &
       echo x >"$1/ready"; while :; do sleep 0.1; done`,
    );
    const { server } = request.run;
    const handle = await scratch.runner().start(request, NEVER);
    await written(join(scratch.root, 'ready'));
    const members = processesOf(server.id);
    expect(members.length).toBeGreaterThan(4);
    await scratch.provider.delete(server, 'ours', NEVER);
    await until('their end', () => !members.some(isAlive));
    expect(await handle.ended).toHaveProperty('how');
    await until('the end of everything', () => processesOf(scratch.root).length === 0);
    expect(existsSync(server.address)).toBe(false);
    expect(existsSync(join(scratch.directory(request), 'log'))).toBe(true);
  });

  it('ends processes of a server whose directory is already removed', async () => {
    const server = await create('gone');
    await scratch.provider.delete(server, 'ours', NEVER);
    const late = spawn('sleep', [FOR_EVER], {
      env: { ...process.env, SOS_CI_SERVER: server.id },
      stdio: 'ignore',
    });
    const exited = new Promise((resolve) => late.once('exit', (_code, signal) => resolve(signal)));
    await until('its start', () => processesOf(`SOS_CI_SERVER=${server.id}`).length === 1);
    await scratch.provider.delete(server, 'ours', NEVER);
    expect(await exited).toBe('SIGTERM');
  });

  it('removes files that a job has protected, but not the targets of links', async () => {
    const server = await create('hard');
    const tree = join(server.address, 'tree');
    const outside = join(scratch.root, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, 'precious'), 'x', { mode: 0o400 });
    symlinkSync(outside, join(tree, 'link'));
    mkdirSync(join(tree, 'locked', 'deeper'), { recursive: true });
    writeFileSync(join(tree, 'locked', 'deeper', 'file'), '');
    // Deeper than the longest path.
    const dig = 'cd "$0"; for i in $(seq 40); do mkdir "$1" && cd "$1" || exit 1; done';
    const digger = spawn('sh', ['-c', dig, tree, 'd'.repeat(200)]);
    await new Promise((resolve) => digger.once('exit', resolve));
    chmodSync(join(tree, 'locked', 'deeper'), 0o000);
    chmodSync(join(tree, 'locked'), 0o500);
    chmodSync(server.address, 0o000);
    expect((await list()).map((one) => one.server.id)).toEqual([server.id]);
    await scratch.provider.delete(server, 'ours', NEVER);
    expect(readdirSync(servers)).toEqual([]);
    expect(readFileSync(join(outside, 'precious'), 'utf8')).toBe('x');
    expect(statSync(join(outside, 'precious')).mode & 0o777).toBe(0o400);
  });

  it('removes the label last, so that an interrupted deletion is detected', async () => {
    const server = await create('half');
    const provider = scratch.newProvider({ deleteTimeoutMs: 200 });
    const programs = join(scratch.root, 'programs');
    mkdirSync(programs);
    writeFileSync(join(programs, 'rm'), '#!/bin/sh\nexec sleep 60\n', { mode: 0o755 });
    const { PATH } = process.env;
    process.env.PATH = `${programs}:${PATH}`;
    try {
      await expect(provider.delete(server, 'ours', NEVER)).rejects.toMatchObject({
        name: 'OperationError',
        retryable: true,
      });
    } finally {
      process.env.PATH = PATH;
    }
    expect(await list()).toHaveLength(1);
    await scratch.provider.delete(server, 'ours', NEVER);
    expect(await list()).toEqual([]);
  });

  it('deletes by id and name only, never by address', async () => {
    const server = await create('one');
    const { provider } = scratch;
    const outside = join(scratch.root, 'outside');
    mkdirSync(outside);
    const label = readFileSync(join(servers, '.one.json'));
    writeFileSync(join(scratch.root, '.outside.json'), label);
    await provider.delete({ ...server, address: outside }, 'ours', NEVER);
    await provider.delete({ ...server, address: join(servers, '..', basename(outside)) }, 'ours', NEVER);
    await provider.delete({ ...server, id: 'f'.repeat(16) }, 'ours', NEVER);
    expect(existsSync(join(scratch.root, '.outside.json'))).toBe(true);
    expect(existsSync(outside)).toBe(true);
    expect(existsSync(server.address)).toBe(true);
  });
});
