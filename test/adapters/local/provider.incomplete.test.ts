/** Untrusted code that removes its own server, and incomplete servers: both are still listed and removed correctly. */

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Server } from '../../../src/machines/model/domain.ts';
import { NEVER } from '../../fixtures/never.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { isAlive, processesOf, Scratch, until, written } from './scratch.ts';

let scratch: Scratch;
let servers: string;

beforeEach(() => {
  scratch = new Scratch();
  servers = join(scratch.stateDir, 'servers');
});
afterEach(() => scratch.close());

const owner = { deployment: 'ours', job: 'job-1', attempt: 1 };
const list = async () =>
  (await scratch.provider.list({ deployment: 'ours' }, NEVER)).map(({ server }) => server);

function create(name: string): Promise<Server> {
  const request = { ...serverRequest(), name, owner };
  return scratch.provider.create(request, new AbortController().signal);
}

test.each([
  ['its own server', 'rm -rf ../*'],
  ['all servers that it sees', 'rm -rf ../../*'],
  ['the directory of its server', 'rm -rf "$(dirname "$PWD")"'],
])('lists and deletes the server of a stage that removes %s', async (_what, removes) => {
  const request = await scratch.script(`${removes}; echo x >"$1/ready"; while :; do sleep 0.1; done`);
  const { server } = request.run;
  await scratch.runner().start(request, NEVER);
  await written(join(scratch.root, 'ready'));
  const members = processesOf(server.id);
  expect(members.length).toBeGreaterThan(0);
  expect(await list()).toEqual([server]);
  await scratch.provider.delete(server, 'ours', NEVER);
  await until('their end', () => !members.some(isAlive));
  expect(await list()).toEqual([]);
  expect(readdirSync(servers)).toEqual([]);
});

/** Creates the state after a kill between writing the label and renaming the directory. */
async function createIncomplete(temporaryName: string): Promise<void> {
  await create('half');
  const label = join(servers, '.half.json');
  const { madeFrom, ...rest } = JSON.parse(readFileSync(label, 'utf8'));
  expect(madeFrom).toMatch(/^\.new-/);
  rmSync(join(servers, 'half'), { recursive: true });
  mkdirSync(join(servers, temporaryName, 'tree'), { recursive: true });
  writeFileSync(label, JSON.stringify({ ...rest, madeFrom: temporaryName }));
}

test('does not list a server whose directory was never renamed, and its name is free', async () => {
  await createIncomplete('.new-999999999-5-aa');
  expect(await list()).toEqual([]);
  expect(readdirSync(servers)).toEqual([]);
  const created = await create('half');
  expect(await list()).toEqual([created]);
});

test('does not list or remove a server that is being created', async () => {
  const started = /\) (.*)$/s.exec(readFileSync('/proc/1/stat', 'latin1'))?.[1]?.split(' ')[19];
  const temporaryName = `.new-1-${started}-bb`;
  await createIncomplete(temporaryName);
  expect(await list()).toEqual([]);
  expect(readdirSync(servers).sort()).toEqual(['.half.json', temporaryName]);
});

test('does not touch a directory without a label, and refuses its name', async () => {
  mkdirSync(join(servers, 'foreign', 'tree'), { recursive: true });
  mkdirSync(join(servers, 'empty'));
  await expect(create('foreign')).rejects.toMatchObject({ name: 'OperationError', retryable: false });
  writeFileSync(join(servers, 'a-file'), '');
  await expect(create('a-file')).rejects.toMatchObject({ name: 'OperationError', retryable: false });
  expect(await list()).toEqual([]);
  expect(readdirSync(servers).sort()).toEqual(['a-file', 'empty', 'foreign']);
});

test('completes a deletion that was interrupted before the label was removed', async () => {
  const server = await create('one');
  rmSync(server.address, { recursive: true });
  expect(await list()).toEqual([server]);
  await expect(create('one')).rejects.toMatchObject({ name: 'OperationError', retryable: false });
  await scratch.provider.delete(server, 'ours', NEVER);
  expect(existsSync(join(servers, '.one.json'))).toBe(false);
});
