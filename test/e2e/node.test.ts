/**
 * Whole jobs by the built program with a node behind a real sshd: the daemon is killed while the node works, and the
 * connection is cut while it speaks. Judged by what Gerrit, the node's disk and /proc show.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { makeKeyPair } from '../../src/demo/gerrit/key-pair.ts';
import { markedProcesses } from '../../src/demo/observer.ts';
import { CuttingProxy } from '../fixtures/cutting-proxy.ts';
import { needs } from '../fixtures/needs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import type { Case, CaseOptions } from './case.ts';
import { Rig } from './rig.ts';

const { test } = needs('sshd');

const TAP = "printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap\n";

let rig: Rig;
let sshd: Sshd;
let proxy: CuttingProxy;
const cases: Case[] = [];
beforeAll(async () => {
  [rig, sshd] = await Promise.all([Rig.start(), Sshd.start()]);
  proxy = await CuttingProxy.start(sshd.port);
});
afterEach(async () => {
  for (const one of cases.splice(0)) {
    for (const { pid } of await markedProcesses(disk(one))) process.kill(pid, 'SIGKILL');
    await one.close();
  }
});
afterAll(async () => {
  await proxy.close();
  await sshd.close();
  await rig.stop();
});

/** The node's disk. */
function disk(one: Case): string {
  return join(rig.directory, `node-of-${one.name}`);
}

/** A case whose jobs run on this host as a node, reached through the proxy. @param hosts more of them */
async function newCase(options: CaseOptions, hosts = ''): Promise<Case> {
  const one = await rig.newCase({
    ...options,
    provider: (name) => `
providers:
  lab:
    type: static
    ssh: {key: ${sshd.keyFile}, user: ${sshd.user}, port: ${proxy.port}, directory: ${rig.directory}/node-of-${name}, reconnectTimeout: 30s}
    hosts: {one: {host: 127.0.0.1, hostKey: '${sshd.hostKey}'}${hosts}}
    reset: {command: [sh, -c, 'echo cleaned >>${rig.directory}/cleaned-${name}']}
`,
  });
  mkdirSync(disk(one));
  cases.push(one);
  return one;
}

async function finished(one: Case, change: number): Promise<string> {
  await one.eventually('all has ended', () => one.allEnded());
  await one.eventually('nothing is left here', async () => (await one.leftovers()).length === 0);
  await one.eventually('nothing is left there', async () => (await leftThere(one)).length === 0);
  expect(one.messages(change)).toHaveLength(1);
  expect(one.unsound()).toEqual([]);
  return one.jobs()[0]?.verdict ?? 'none';
}

async function leftThere(one: Case): Promise<readonly string[]> {
  const processes = (await markedProcesses(disk(one))).map(({ pid, command }) => `${pid} ${command}`);
  const kept = ['leases/lab', 'host-keys', 'outgoing', 'upkeep'].flatMap((folder) => {
    const path = join(one.stateDir, folder);
    return existsSync(path) ? readdirSync(path).map((name) => `${folder}/${name}`) : [];
  });
  return [...processes, ...kept, ...readdirSync(disk(one))];
}

test('a whole job runs on the node, and leaves nothing there', async () => {
  const one = await newCase({
    testing: `pwd; mkdir logs; echo seen >logs/a.txt; ln -s /etc/passwd logs/link\n${TAP}`,
    job: '    logs: [logs]\n',
  });
  const daemon = await one.startDaemon();
  const change = await one.push();
  expect(await finished(one, change)).toBe('SUCCESS');
  expect(one.published('testing.log')).toContain(`${disk(one)}/one-`);
  expect(one.published('a.txt')).toBe('seen\n');
  expect(one.published('link')).toBe('');
  expect(await daemon.stop()).toBe(0);
});

test('the daemon is killed in testing: the same process continues and no line is lost', async () => {
  const one = await newCase({
    testing: `n=0; while [ "$n" -lt 400 ]; do n=$((n + 1)); echo "line $n"; sleep 0.01; done\n${TAP}note ended\n`,
  });
  const first = await one.startDaemon();
  const change = await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  await first.kill();
  await one.eventually('the stage ended by itself', () => one.ledger('testing').length === 2);
  const next = await one.startDaemon();
  expect(await finished(one, change)).toBe('SUCCESS');
  expect(one.ledger('testing').filter((line) => line.endsWith('began'))).toHaveLength(1);
  expect(numbered(one.published('testing.log'))).toEqual(upTo(400));
  expect(await next.stop()).toBe(0);
});

test('the connection is cut again and again during output: every line arrives once, in order', async () => {
  const one = await newCase({
    testing: `n=0; until [ -e '${rig.directory}/enough' ]; do n=$((n + 1)); echo "line $n"; [ $((n % 100)) -ne 0 ] || sleep 0.01; done\n${TAP}note "$n"\n`,
    testTimeout: '60s',
  });
  const daemon = await one.startDaemon();
  const change = await one.push();
  await one.eventually('testing began', () => one.ledger('testing').length > 0);
  for (let bytes = 5_000; bytes < 40_000; bytes += 7_001) await proxy.cutAfter(bytes);
  writeFileSync(join(rig.directory, 'enough'), '');
  expect(await finished(one, change)).toBe('SUCCESS');
  const [, last] = one.ledger('testing').map((line) => Number(line.split(' ').at(-1)));
  expect(numbered(one.published('testing.log'))).toEqual(upTo(last ?? 0));
  expect(last).toBeGreaterThan(1_000);
  expect(await daemon.stop()).toBe(0);
});

test('a host with another key is quarantined, and jobs wait for the others', async () => {
  const { publicKey } = makeKeyPair('');
  const one = await newCase(
    { testing: `sleep 1\n${TAP}` },
    `, another: {host: localhost, hostKey: '${publicKey.split(' ').slice(0, 2).join(' ')}'}`,
  );
  const daemon = await one.startDaemon();
  const changes = [await one.push(), await one.push(), await one.push()];
  await one.eventually('all have ended', () => one.jobs().length === 3 && one.allEnded());
  expect(one.jobs().map(({ verdict, attempt }) => [verdict, attempt])).toEqual(
    changes.map(() => ['SUCCESS', 1]),
  );
  expect(existsSync(join(one.stateDir, 'hosts', 'lab', 'another.json'))).toBe(true);
  expect(changes.map((change) => one.messages(change).length)).toEqual([1, 1, 1]);
  expect(await daemon.stop()).toBe(0);
});

function numbered(log: string): readonly number[] {
  return log.split('\n').flatMap((line) => (line.startsWith('line ') ? [Number(line.slice(5))] : []));
}

function upTo(last: number): readonly number[] {
  return Array.from({ length: last }, (_, index) => index + 1);
}
