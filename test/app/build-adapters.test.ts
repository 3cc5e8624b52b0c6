/** Limits of the configuration apply on this host and on nodes, and alarms of providers contain no secrets. */

import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { type BuiltAdapters, buildAdapters } from '../../src/app/build-adapters.ts';
import type { Config } from '../../src/config/config.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { Server } from '../../src/machines/model/domain.ts';
import type { StageRun } from '../../src/machines/protocol/effects.ts';
import { FOR_EVER, killProcessesIn, PATCHSET } from '../adapters/local/scratch.ts';
import { FakeAlarms } from '../fakes/alarms.ts';
import { nothingMissed } from '../fakes/catch-up.ts';
import { needs } from '../fixtures/needs.ts';
import { NEVER } from '../fixtures/never.ts';
import { readProc } from '../fixtures/proc.ts';
import { Sshd } from '../fixtures/sshd.ts';

const { test } = needs('sshd');

const OWNER = { deployment: 'ours', job: 'j1', attempt: 1 };
const TAP = { format: 'tap', file: 'results.tap' } as const;
const SECRET = 'correct horse battery';

let root: string;
let sshd: Sshd;
let alarms: FakeAlarms;
let built: BuiltAdapters;
beforeEach(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-world-')));
  sshd = await Sshd.start();
  writeFileSync(join(root, 'key'), 'key');
  writeFileSync(join(root, 'sos-ci.yaml'), configText());
  const read = loadConfig(join(root, 'sos-ci.yaml'));
  const config: Config = {
    ...read,
    limits: {
      ...read.limits,
      stopTermTimeoutMs: 7_000,
      exitRecordTimeoutMs: 480_000,
      maxResultsBytes: 1_024,
    },
    logs: { ...read.logs, limits: { ...read.logs.limits, maxFileBytes: 1_024 } },
  };
  const noActiveJobs = () => [];
  alarms = new FakeAlarms();
  built = buildAdapters(config, undefined, alarms, nothingMissed, noActiveJobs, null, { values: [SECRET] });
});
afterEach(async () => {
  await built.close();
  await killProcessesIn(root);
  await sshd.close();
  rmSync(root, { recursive: true, force: true });
});

function configText(): string {
  return `gerrit: {host: localhost, user: acme-ci, key: ./key}
providers:
  here: {type: local}
  there:
    type: static
    ssh: {key: ${sshd.keyFile}, user: ${sshd.user}, port: ${sshd.port}, directory: ${join(root, 'node')}}
    hosts: {node1: {host: 127.0.0.1}}
    reset: {command: [sh, -c, '! cat ${root}/broken']}
jobs: {acme: {project: p, provider: here, testing: {command: ['true'], exitCodeIsResult: true}}}
`;
}

function createServer(provider: string): Promise<Server> {
  mkdirSync(join(root, 'node'), { recursive: true });
  const adapter = built.adapters.providers.get(provider);
  if (adapter === undefined) throw new Error(`no provider ${provider}`);
  const request = { type: 'createServer', key: 'c', provider, timeoutMs: 60_000 } as const;
  return adapter.create({ ...request, name: 'server-1', owner: OWNER }, NEVER);
}

async function createServerAndRun(provider: string): Promise<StageRun & { readonly tree: string }> {
  const server = await createServer(provider);
  const directory = server.address.replace(/^.*?(?=\/)(?:\/\/[^/]*)?/, '');
  return { server, owner: OWNER, stage: 'testing', tree: join(directory, 'tree') };
}

describe.each(['here', 'there'])('%s', (provider) => {
  test('a stage runs within the limits, and a results file over its limit is not read', async () => {
    const { runner } = built.adapters;
    const { tree, ...run } = await createServerAndRun(provider);
    const spec = { argv: ['sleep', FOR_EVER], timeoutMs: 90_000, outputLimitBytes: 4_096 };
    const request = { type: 'runStage', key: 'r', run, spec, patchset: PATCHSET, name: 'acme' } as const;
    const { pid, ended } = await runner.start(request, NEVER);
    expect(readProc(pid, 'cmdline').split('\0').slice(3)).toEqual([
      tree,
      '90.000',
      '7',
      '4096',
      '480',
      'sleep',
      FOR_EVER,
      '',
    ]);
    writeFileSync(join(tree, 'results.tap'), '#'.repeat(1_025));
    expect(await runner.readResults(run.server, TAP, 60_000, NEVER)).toEqual({
      unreadable: 'results.tap: it is larger than 1024 bytes',
    });
    await runner.stop(run, NEVER);
    expect(await ended).toMatchObject({ how: 'stopped' });
  });

  test('a file of the evidence is truncated at its limit', async () => {
    const { evidence } = built.adapters;
    const { tree, server } = await createServerAndRun(provider);
    writeFileSync(join(tree, 'long.txt'), 'x'.repeat(2_000));
    const bounds = { limitBytes: 1_000_000, limitFiles: 10, timeoutMs: 60_000 };
    const request = { type: 'collectEvidence', key: 'e', owner: OWNER, server, logs: ['long.txt'] } as const;
    const run = { patchset: PATCHSET, name: 'acme-dsvm', pipeline: 'check' };
    expect(await evidence.collect({ ...request, ...run, ...bounds }, NEVER)).toMatchObject({
      files: 1,
      bytes: 1_024,
    });
  });
});

test('the alarm of a provider quotes what a node printed, without secrets', async () => {
  writeFileSync(join(root, 'broken'), SECRET);
  for (let failures = 0; failures < 2; failures += 1)
    await expect(createServer('there')).rejects.toThrow(SECRET);
  expect(alarms.raised).toMatchObject([
    { kind: 'node-failing', target: 'there/node1', message: expect.stringContaining('[redacted]') },
  ]);
  expect(JSON.stringify(alarms.raised)).not.toContain(SECRET);
});
