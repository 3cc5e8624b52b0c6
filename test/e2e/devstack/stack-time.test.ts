/**
 * How long real DevStack stacks on servers of a real OpenStack: without a cache, with a real squid, and with a preseeded
 * directory. One stack at a time.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { TestCase } from '../gerrit/case.ts';
import type { Checkout } from '../gerrit/checkout.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { newCloudCase } from '../openstack/case.ts';
import { Cloud } from '../openstack/cloud.ts';
import { eventually } from '../waiting.ts';
import { importCinder, PROJECT } from './import-cinder.ts';

const CHANGES = 2;
const LIMIT_MS = 4 * 3_600_000;
/** The way out of the network of the servers. */
const OUTSIDE = 'http://192.0.2.1:3128';
const SQUID = { host: '192.0.2.1', port: 3129 };
const { devstack_localrc, devstack_squid_proxy, ...shared } = JSON.parse(
  readFileSync(new URL('variables.json', import.meta.url), 'utf8'),
);
const direct = {
  devstack_localrc: {
    ...devstack_localrc,
    ...{ http_proxy: OUTSIDE, https_proxy: OUTSIDE, no_proxy: shared.devstack_no_proxy },
  },
};
const KINDS = {
  plain: direct,
  squid: { devstack_localrc, devstack_squid_proxy: `http://${SQUID.host}:${SQUID.port}` },
  preseed: { ...direct, devstack_preseed_dir: '/opt/preseed' },
};

const cloud = new Cloud();
let testbed: Testbed;
let testCase: TestCase;
let checkout: Checkout;
let squid: Squid;

beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
  await cloud.clear();
  const jobs = Object.entries(KINDS).map(([kind, variables]) => [`stack-${kind}`, job(variables)]);
  testCase = await newCloudCase(testbed, cloud, {
    limitMs: LIMIT_MS,
    provider: { flavor: 'large', slots: 1 },
    top: { jobs: Object.fromEntries(jobs) },
  });
  squid = await startSquid();
  checkout = await importCinder(testCase);
});
afterAll(async () => {
  await squid?.stop();
  await testbed?.stop();
});

test(
  'stack.sh finishes with each kind of cache, and squid answers from its cache the second time',
  async () => {
    const daemon = await testCase.startDaemon();
    const hits: number[] = [];
    for (let change = 1; change <= CHANGES; change += 1) {
      const pushed = await checkout.push({ files: {}, subject: `Change nothing, ${change}` });
      const [message] = await testCase.reported(pushed);
      console.log(`${message?.text}\nload ${loadavg()[0]?.toFixed(1)}`);
      for (const kind of Object.keys(KINDS))
        expect(message?.text).toMatch(new RegExp(`stack-${kind} \\S+ : SUCCESS`));
      hits.push(squid.hits());
      console.log(`squid: ${hits.at(-1)} of ${squid.requests()} requests were hits`);
    }
    expect(hits.at(-1)).toBeGreaterThan(hits[0] ?? 0);
    const { text } = await testCase.runCli('stats', '--stack-time');
    console.log(text);
    for (const kind of ['', ' with squid', ' with preseed'])
      expect(text).toMatch(new RegExp(`stack-time${kind} +\\d+:\\d\\d`));
    await testCase.settled(CHANGES * Object.keys(KINDS).length);
    expect(await cloud.resourceLines()).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  },
  LIMIT_MS,
);

function job(variables: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  return {
    project: PROJECT,
    provider: 'lab',
    stacking: {
      playbook: 'sos_ci.openstack.stacking',
      timeout: '2h',
      variables: { ...shared, ...variables },
    },
    testing: { command: ['true'], exitCodeIsResult: true },
    logs: ['controller'],
    limits: { setupAttempts: 1 },
  };
}

interface Squid {
  readonly hits: () => number;
  readonly requests: () => number;
  readonly stop: () => Promise<void>;
}

/** A real squid, which reaches everything through the proxy of the cloud. */
async function startSquid(): Promise<Squid> {
  // squid runs as another user, which must be able to write to the directory.
  const directory = mkdtempSync(join(tmpdir(), 'squid-'));
  chmodSync(directory, 0o777);
  const log = join(directory, 'access.log');
  const settings = [
    ...[`http_port ${SQUID.host}:${SQUID.port}`, 'http_access allow all', 'cache_mem 64 MB'],
    ...['cache_peer 192.0.2.1 parent 3128 0 no-query default', 'never_direct allow all'],
    ...[`access_log stdio:${log}`, `cache_log ${join(directory, 'cache.log')}`, 'pid_filename none'],
    ...['cache_effective_user proxy', 'maximum_object_size 512 MB', 'shutdown_lifetime 1 seconds'],
    `cache_dir ufs ${join(directory, 'cache')} 4096 16 256`,
    // Packages never change, and not every mirror says so.
    'refresh_pattern deb$ 129600 100% 129600',
  ];
  const file = join(directory, 'squid.conf');
  writeFileSync(file, `${settings.join('\n')}\n`);
  const run = (...more: readonly string[]) =>
    spawn('/usr/sbin/squid', ['-N', '-f', file, ...more], { stdio: 'ignore' });
  await once(run('-z'), 'exit');
  const server = run();
  await eventually('squid listens', listens);
  const lines = (): readonly string[] =>
    existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
  return {
    hits: () => lines().filter((line) => /TCP_\w*HIT|REFRESH_UNMODIFIED/.test(line)).length,
    requests: () => lines().length,
    stop: async () => {
      server.kill();
      if (server.exitCode === null) await once(server, 'exit');
      rmSync(directory, { recursive: true });
    },
  };
}

async function listens(): Promise<boolean> {
  const socket = connect(SQUID.port, SQUID.host);
  const connected = await once(socket, 'connect').catch(() => null);
  socket.destroy();
  return connected !== null;
}
