/**
 * Whole jobs of the built program whose evidence goes to a real sshd, over SFTP or by a playbook: the daemon is killed in the
 * middle of the upload, and the log server is unavailable.
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { CuttingProxy } from '../fixtures/cutting-proxy.ts';
import { needs } from '../fixtures/needs.ts';
import { findProgram } from '../fixtures/programs.ts';
import { Sshd } from '../fixtures/sshd.ts';
import type { TestCase } from './case.ts';
import { Testbed } from './testbed.ts';

const DESTINATIONS = {
  ssh: needs('sshd'),
  playbook: needs('sshd', 'ansible-playbook'),
};
type Destination = keyof typeof DESTINATIONS;
const URL_OF_LOGS = 'https://logs.acme.example.org';
const LOG_BYTES = 6_000_000;

let testbed: Testbed;
let sshd: Sshd;
let proxy: CuttingProxy;
beforeAll(async () => {
  [testbed, sshd] = await Promise.all([Testbed.start(), Sshd.start()]);
  proxy = await CuttingProxy.start(sshd.port);
});
afterAll(async () => {
  await proxy.close();
  await sshd.close();
  await testbed.stop();
});

/** A case whose evidence is published below `site`, through the proxy. */
async function newCase(
  destination: Destination,
  logBytes: number,
): Promise<{ readonly testCase: TestCase; readonly site: string }> {
  const site = mkdtempSync(join(testbed.directory, 'site-'));
  const knownHosts = join(testbed.directory, 'known_log_servers');
  const inventory = join(testbed.directory, 'inventory');
  writeFileSync(knownHosts, `[127.0.0.1]:${proxy.port} ${sshd.hostKey}\n`);
  const login = `ansible_host=127.0.0.1 ansible_port=${proxy.port} ansible_user=${sshd.user} ansible_ssh_private_key_file=${sshd.keyFile}`;
  const host = `${login} ansible_ssh_common_args="-F none -o UserKnownHostsFile=${knownHosts}" publish_root=${site}`;
  const python = `ansible_python_interpreter="{{ ansible_playbook_python }}"`;
  writeFileSync(inventory, `[log_server]\nlogs ${host} ${python}\n`);
  const keys = {
    ssh: `{host: 127.0.0.1, port: ${proxy.port}, user: ${sshd.user}, key: ${sshd.keyFile}, knownHosts: ${knownHosts}, dir: ${site}}`,
    playbook: `{inventory: ${inventory}}`,
  };
  const testCase = await testbed.newCase({
    testing: `mkdir logs
head -c ${logBytes} /dev/urandom | base64 >logs/big.txt
printf 'TAP version 14\\n1..1\\nok 1 - works\\n' >results.tap
`,
    job: '    logs: [logs]\n',
    top: `logs:
  url: ${URL_OF_LOGS}
  ${destination}: ${keys[destination]}
`,
  });
  if (destination === 'playbook') {
    mkdirSync(testCase.stateDir, { recursive: true });
    symlinkSync(dirname(dirname(findProgram('ansible-playbook') ?? '')), join(testCase.stateDir, 'ansible'));
  }
  return { testCase, site };
}

for (const destination of ['ssh', 'playbook'] as const) {
  const { test } = DESTINATIONS[destination];
  test(`${destination}: a daemon that is killed during the upload publishes once and completely`, () =>
    killedDuringUpload(destination));
  test(`${destination}: an unavailable log server delays the review, raises an alarm, and changes no verdict`, () =>
    unavailable(destination));
}

async function killedDuringUpload(destination: Destination): Promise<void> {
  const { testCase, site } = await newCase(destination, LOG_BYTES);
  try {
    const daemon = await testCase.startDaemon();
    const halfSent = new Promise<void>((resolve) => {
      proxy.onReceived = () => {
        if (proxy.received > LOG_BYTES / 2) resolve();
      };
    });
    const change = await testCase.push();
    await halfSent;
    await daemon.kill();
    proxy.onReceived = () => {};
    expect(testCase.messages(change)).toEqual([]);
    const parent = join(site, String(change).slice(-2).padStart(2, '0'), String(change), '1/check/unit');
    // A playbook outlives the daemon.
    if (destination === 'ssh') expect(readdirSync(parent)).toEqual([expect.stringMatching(/^\.sos-ci-/)]);

    const second = await testCase.startDaemon();
    await testCase.eventually('all jobs have ended', () => testCase.allEnded());
    const [job] = testCase.jobs();
    const [message, ...more] = testCase.messages(change);
    expect(more).toEqual([]);
    const name = job?.id.slice(0, 12) ?? '';
    expect(message).toContain(`${URL_OF_LOGS}/${parent.slice(site.length + 1)}/${name}/`);
    expect(readdirSync(parent).sort()).toEqual(['index.html', name].sort());
    const { state, files } = JSON.parse(readFileSync(join(parent, name, 'manifest.json'), 'utf8'));
    expect(state).toBe('published');
    for (const { path, bytes } of files) expect(statSync(join(parent, name, path)).size).toBe(bytes);
    expect(files.some(({ bytes }: { readonly bytes: number }) => bytes > LOG_BYTES)).toBe(true);
    expect(await testCase.findInconsistencies()).toEqual([]);
    await testCase.eventually('nothing is left here', () => nothingHeld(testCase));
    expect(await second.stop()).toBe(0);
  } finally {
    await testCase.close();
  }
}

async function unavailable(destination: Destination): Promise<void> {
  const { testCase, site } = await newCase(destination, 1000);
  try {
    proxy.accepts = false;
    const daemon = await testCase.startDaemon();
    const change = await testCase.push();
    await testCase.eventually('the job has ended', () => testCase.jobs()[0]?.verdict === 'SUCCESS');
    const alarms = async () => (await testCase.runCli('alarms')).text;
    await testCase.eventually('there is an alarm', async () =>
      (await alarms()).includes(destination === 'ssh' ? 'connect to log server' : 'failed on logs'),
    );
    expect(await alarms()).toContain('evidence-pending');
    expect(readdirSync(site)).toEqual([]);
    proxy.accepts = true;
    await testCase.eventually('all jobs have ended', () => testCase.allEnded());
    expect(testCase.messages(change)).toEqual([expect.stringContaining(`${URL_OF_LOGS}/`)]);
    expect(testCase.messages(change)[0]).toContain('SUCCESS');
    const name = testCase.jobs()[0]?.id.slice(0, 12) ?? '';
    const all = readdirSync(site, { recursive: true, encoding: 'utf8' });
    expect(all.filter((path) => path.endsWith('manifest.json'))).toEqual([
      expect.stringContaining(`1/check/unit/${name}/manifest.json`),
    ]);
    await testCase.eventually('nothing is left here', () => nothingHeld(testCase));
    expect(await testCase.findInconsistencies()).toEqual([]);
    expect(await daemon.stop()).toBe(0);
  } finally {
    await testCase.close();
  }
}

function nothingHeld({ stateDir }: TestCase): boolean {
  return ['evidence', 'finished'].every((directory) => {
    const path = join(stateDir, directory);
    return !existsSync(path) || readdirSync(path).length === 0;
  });
}
