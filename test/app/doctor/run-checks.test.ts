import { chmodSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system.ts';
import type { Finding, FindingVerdict } from '../../../src/app/doctor/finding.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { SmtpSink } from '../../fakes/smtp-sink.ts';
import { WebServer } from '../../fakes/web-server.ts';
import { needs } from '../../fixtures/needs.ts';
import { DoctorSetup, HTTP_PASSWORD } from './doctor-setup.ts';

const { test } = needs('sshd', 'git');

const NO_VOTE = { label: undefined, success: undefined, failure: undefined };
let setup: DoctorSetup;
beforeEach(async () => {
  setup = await DoctorSetup.start();
});
afterEach(() => setup.stop());

const checksWith = (findings: readonly Finding[], verdict: FindingVerdict) =>
  findings.filter((one) => one.verdict === verdict).map(({ check }) => check);
/** All findings that are not ok, as text. */
const problems = (findings: readonly Finding[]) =>
  findings
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ check, verdict, found }) => [verdict, check, found]);

describe('a correct configuration', () => {
  test('has only ok findings, and nothing is changed', async () => {
    setup.config();
    const before = setup.files();
    const findings = await setup.findings();
    expect(problems(findings)).toEqual([]);
    expect(findings.map(({ check }) => check)).toEqual([
      ...['config', 'state', 'disk', 'git', 'tools', 'logs', 'logs-disk', 'key', 'host-key', 'login'],
      ...[
        'stream',
        'connections',
        'account',
        'clock',
        'label',
        'node-key',
        'node-host-key',
        'node',
        'node-tools',
      ],
      ...['processes', 'node-sftp', 'node-directory', 'node-disk', 'logs-url', 'wiki'],
    ]);
    expect(setup.files()).toEqual(before);
    expect(setup.gerrit.commands.map((line) => line.replace(/^acme-ci: /, '')).sort()).toEqual([
      'gerrit stream-events',
      'gerrit version',
    ]);
    expect(setup.gerrit.requests.every((line) => line.startsWith('acme-ci: GET '))).toBe(true);
    await setup.gerrit.until(() => setup.gerrit.streams === 0);
  });

  test('without REST: reports what SSH cannot show', async () => {
    const findings = await setup.findings({ gerrit: { rest: undefined }, logs: undefined });
    expect(problems(findings)).toEqual([
      ['unchecked', 'label', 'the label exists; SSH cannot show whether we may vote on it'],
      ['unchecked', 'account', expect.stringContaining('does not show the display name of')],
      ['warning', 'logs-url', expect.stringContaining('readers on other hosts cannot open')],
      ['unchecked', 'clock', 'SSH does not report the time'],
    ]);
  });
});

describe('Gerrit', () => {
  test('does not accept our key', async () => {
    setup.write('key', makeKeyPair('other').privateKey, 0o600);
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['login']);
    expect(checksWith(findings, 'unchecked')).toEqual(['stream', 'connections']);
    expect(problems(findings)[0]?.[2]).toContain('does not accept the key');
  });

  test('presents a host key other than the known one', async () => {
    setup.config();
    setup.gerrit.replaceHostKey();
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['host-key']);
    expect(checksWith(findings, 'unchecked')).toEqual(['login', 'stream', 'connections']);
    expect(findings.find(({ check }) => check === 'host-key')?.fix).toContain('this may be an attack');
  });

  test('presents an unknown host key', async () => {
    setup.write('known_hosts', '');
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['host-key']);
    expect(findings.find(({ check }) => check === 'host-key')?.fix).toContain('ssh-keyscan');
  });

  test('does not let us stream events', async () => {
    setup.account({ mayStream: false });
    const findings = await setup.findings({}, systemClock, { streamWaitMs: 60_000, timeoutMs: 120_000 });
    expect(problems(findings)).toEqual([['failure', 'stream', expect.stringContaining('not permitted')]]);
    expect(findings.find(({ check }) => check === 'stream')?.fix).toContain('Stream Events');
  });

  test('is down', async () => {
    setup.config();
    await setup.gerrit.stop();
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['login', 'account']);
  });

  test('does not answer', async () => {
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const gerrit = { port, rest: { url: `http://127.0.0.1:${port}` } };
    const findings = await setup.findings({ gerrit }, systemClock, { timeoutMs: 1_000 });
    for (const name of ['login', 'account']) {
      const finding = findings.find(({ check }) => check === name);
      expect(finding).toMatchObject({ verdict: 'failure', found: 'not done within 1s' });
    }
    await new Promise((resolve) => silent.close(resolve));
  });
});

describe('the key file', () => {
  test.each([
    ['can be read by others', 0o644, null, 'other users can read or change it'],
    ['is not a key', 0o600, 'hello', 'no usable private key'],
  ])('%s', async (_what, mode, text, found) => {
    if (text !== null) writeFileSync(join(setup.dir, 'key'), text);
    chmodSync(join(setup.dir, 'key'), mode);
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['key', 'login']);
    expect(problems(findings)[0]?.[2]).toContain(found);
  });
});

describe('account and votes', () => {
  test.each([
    ['an unknown label', { report: { label: 'Verfied' } }, {}, 'the labels are Verified, Code-Review'],
    ['a vote that we may not give', { report: { success: 2 } }, {}, 'acme-ci may not vote +2'],
    ['a label that is not ours', {}, { labels: {} }, 'acme-ci may not vote +1, -1'],
  ])('%s', async (_what, change, account, found) => {
    setup.account(account);
    expect(problems(await setup.findings(change))).toEqual([
      ['failure', 'label', expect.stringContaining(found)],
    ]);
  });

  test('an unknown label, as far as SSH can report', async () => {
    const findings = await setup.findings({ gerrit: { rest: undefined }, report: { label: 'Verfied' } });
    expect(checksWith(findings, 'warning')).toEqual(['label']);
  });

  test('a project without an open change', async () => {
    const job = { project: 'openstack/nova', testing: { command: ['true'], exitCodeIsResult: true } };
    expect(problems(await setup.findings({ jobs: { first: job } }))).toEqual([
      ['unchecked', 'label', 'no open change of openstack/nova is visible to us'],
    ]);
  });

  test.each([
    [
      'a name that does not end in CI',
      {},
      { name: 'Acme' },
      'warning',
      'user name acme-ci, display name "Acme"',
    ],
    ['a wrong password', {}, { httpPassword: 'other' }, 'failure', 'Gerrit answers 401: Unauthorized'],
  ])('%s', async (_what, change, account, verdict, found) => {
    setup.account(account);
    const findings = await setup.findings({ ...change, gerrit: { name: undefined } });
    expect(findings.find(({ check }) => check === 'account')).toMatchObject({ verdict, found });
    expect(checksWith(findings, 'unchecked')).toEqual(verdict === 'failure' ? ['clock', 'label'] : []);
    expect(JSON.stringify(findings)).not.toContain(HTTP_PASSWORD);
  });

  test('a different account over REST than over SSH', async () => {
    setup.gerrit.setAccount({ username: 'other', httpPassword: HTTP_PASSWORD });
    const { gerrit, ...config } = setup.config({ report: NO_VOTE });
    if (gerrit.rest === null) throw new Error('no REST');
    const rest = { ...gerrit.rest, user: 'other' };
    const findings = await setup.examine({ ...config, gerrit: { ...gerrit, rest } }, systemClock);
    expect(checksWith(findings, 'failure')).toEqual(['account']);
  });

  test.each([3_600_000, -3_600_000])('a clock that is %i ms off', async (ms) => {
    const clock = { ...systemClock, now: () => Date.now() + ms };
    const findings = await setup.findings({}, clock);
    const found = `this host's clock is 3600 s ${ms > 0 ? 'ahead' : 'behind'}`;
    expect(problems(findings)).toEqual([
      ['failure', 'clock', expect.stringMatching(found.replace('3600', '3[56]\\d\\d'))],
    ]);
  });
});

describe('this host', () => {
  test('has too little disk space', async () => {
    const findings = await setup.findings({}, systemClock, { diskFreeBytes: 1e18 });
    expect(checksWith(findings, 'failure')).toEqual(['disk', 'logs-disk']);
  });

  test('has no directory for the state', async () => {
    rmSync(join(setup.dir, 'state'), { recursive: true });
    writeFileSync(join(setup.dir, 'state'), 'a file');
    expect(checksWith(await setup.findings({ logs: { dir: './logs' } }), 'failure')).toEqual(['state']);
  });

  test('lets others read its state', async () => {
    chmodSync(join(setup.dir, 'state'), 0o755);
    expect(checksWith(await setup.findings(), 'warning')).toEqual(['state']);
  });

  test('lets the account of jobs enter its state, but not read it', async () => {
    const state = join(setup.dir, 'state');
    const user = { providers: { nodes: undefined, here: { type: 'local', user: 'nobody' } } };
    const found = async () => (await setup.findings(user)).find(({ check }) => check === 'state');
    chmodSync(state, 0o711);
    expect(await found()).toMatchObject({ verdict: 'ok' });
    chmodSync(state, 0o755);
    expect(await found()).toMatchObject({ verdict: 'warning', fix: `chmod 711 ${state}` });
  });
});

describe('a node', () => {
  const node = (change: object) => ({ providers: { nodes: { hosts: { node1: change } } } });

  test('is down', async () => {
    setup.config();
    await setup.sshd.down();
    const findings = await setup.findings();
    expect(checksWith(findings, 'failure')).toEqual(['node']);
    expect(checksWith(findings, 'unchecked')).toEqual([
      ...['node-host-key', 'node-tools', 'processes', 'node-sftp', 'node-directory', 'node-disk'],
    ]);
  });

  test('presents another host key', async () => {
    const [type = '', key = ''] = makeKeyPair('other').publicKey.split(' ');
    const findings = await setup.findings(node({ hostKey: `${type} ${key}` }));
    expect(checksWith(findings, 'failure')).toEqual(['node-host-key']);
  });

  test('presents a host key that is not pinned', async () => {
    const findings = await setup.findings(node({ hostKey: undefined }));
    expect(checksWith(findings, 'warning')).toEqual(['node-host-key']);
    const [type = '', key = ''] = setup.sshd.hostKey.split(' ');
    expect(findings.find(({ check }) => check === 'node-host-key')?.fix).toContain(`hostKey: ${type} ${key}`);
    expect(setup.files().filter((name) => name.includes('host-keys'))).toEqual([]);
  });

  test('does not accept our key', async () => {
    const key = setup.write('node-key', makeKeyPair('other').privateKey, 0o600);
    const findings = await setup.findings({ providers: { nodes: { ssh: { key } } } });
    expect(checksWith(findings, 'failure')).toEqual(['node']);
  });

  test('has no disk space, and a file in place of the directory', async () => {
    writeFileSync(join(setup.dir, 'node'), 'a file');
    const findings = await setup.findings({}, systemClock, { nodeDiskFreeBytes: 1e18 });
    expect(checksWith(findings, 'failure')).toEqual(['node-directory', 'node-disk']);
  });

  test('lacks the program that a job names', async () => {
    const executable = setup.write('stack.sh', '#!/bin/sh\n', 0o755);
    const notExecutable = setup.write('plain.sh', '#!/bin/sh\n', 0o644);
    const job = (stacking: string, testing: string) => ({
      jobs: { first: { stacking: { command: [stacking] }, testing: { command: [testing] } } },
    });
    const commands = async (change: Parameters<typeof setup.findings>[0]) =>
      (await setup.findings(change)).filter(({ check }) => check === 'commands');
    expect(await commands(job('./stack.sh', 'tox'))).toEqual([]);
    expect(await commands(job(executable, 'tox'))).toMatchObject([{ verdict: 'ok' }]);
    expect(await commands(job(notExecutable, `${setup.dir}/none`))).toMatchObject([
      {
        verdict: 'failure',
        found: `jobs.first.stacking.command: ${notExecutable} is missing or not executable`,
      },
      { verdict: 'warning', target: 'nodes/node1' },
    ]);
    const here = { providers: { nodes: undefined, here: { type: 'local' } } };
    expect(await commands({ ...here, ...job(executable, `${setup.dir}/none`) })).toMatchObject([
      { verdict: 'warning', target: 'here' },
    ]);
  });
});

describe('other providers', () => {
  const only = (nodes: object) => ({ providers: { nodes: undefined, other: nodes } });

  test('a local provider next to Gerrit', async () => {
    expect(checksWith(await setup.findings(only({ type: 'local' })), 'failure')).toEqual([]);
  });

  test('an account for jobs that does not exist', async () => {
    const found = await setup.findings(only({ type: 'local', user: 'no-such-account' }));
    expect(checksWith(found, 'failure')).toEqual(['provider']);
  });

  test.each([
    ['answers', '{"servers": []}', []],
    ['has an invalid answer', '{"severs": []}', ['provider']],
    ['answers without JSON', 'hello', ['provider']],
  ])('a program that %s', async (_what, answer, failures) => {
    const list = setup.write('list', `#!/bin/sh\ncat <<'E'\n${answer}\nE\n`, 0o755);
    const { keyFile: key, user } = setup.sshd;
    const provider = {
      type: 'command',
      ssh: { key, user },
      create: ['false'],
      list: [list],
      delete: ['false'],
    };
    expect(checksWith(await setup.findings(only(provider)), 'failure')).toEqual(failures);
  });
});

describe('links and mail', () => {
  test('the URL of the logs is checked, and also returns the time', async () => {
    const web = await WebServer.start();
    try {
      const change = { logs: { url: web.url }, gerrit: { rest: undefined }, report: NO_VOTE };
      expect(checksWith(await setup.findings(change), 'unchecked')).toEqual(['account']);
      web.answer = ({ response }) => {
        response.statusCode = 401;
        response.end();
      };
      expect(checksWith(await setup.findings(change), 'failure')).toEqual(['logs-url']);
    } finally {
      await web.close();
    }
    expect(checksWith(await setup.findings({ logs: { url: web.url } }), 'failure')).toEqual(['logs-url']);
  });

  test('the log server: login, host key, directory and free space', async () => {
    const { dir, sshd } = setup;
    const directory = join(dir, 'site');
    const knownHosts = setup.write('known_logs', `[127.0.0.1]:${sshd.port} ${sshd.hostKey}\n`);
    const ssh = {
      ...{ host: '127.0.0.1', port: sshd.port, user: sshd.user, key: sshd.keyFile },
      ...{ knownHosts, dir: directory },
    };
    const url = setup.gerrit.state.url;
    const failures = async (change: object, limits = {}) =>
      (await setup.findings({ logs: { url, ssh: { ...ssh, ...change } } }, systemClock, limits))
        .filter(
          ({ verdict, check }) => verdict === 'failure' && check.startsWith('logs') && check !== 'logs-url',
        )
        .map(({ check, found }) => [check, found]);
    expect(await failures({})).toEqual([['logs', `${directory} does not exist`]]);
    mkdirSync(directory);
    expect(await failures({})).toEqual([]);
    expect(readdirSync(directory)).toEqual([]);
    expect(await failures({}, { diskFreeBytes: 1e18 })).toEqual([
      ['logs-disk', expect.stringContaining('less than')],
    ]);
    expect(await failures({ key: join(dir, 'key') })).toEqual([
      ['logs', expect.stringContaining('does not accept the key')],
    ]);
    expect(await failures({ knownHosts: join(dir, 'known_hosts') })).toEqual([
      ['logs', expect.stringContaining('is not in')],
    ]);
  });

  test('mail over SMTP', async () => {
    const sink = await SmtpSink.start();
    const smtp = { host: '127.0.0.1', port: sink.port, tls: 'none' };
    const mail = { from: 'ci@acme.example', to: ['dev@acme.example'], smtp };
    expect(checksWith(await setup.findings({ mail }), 'failure')).toEqual([]);
    expect(sink.mails).toEqual([]);
    await sink.close();
    expect(checksWith(await setup.findings({ mail }), 'failure')).toEqual(['mail']);
  });

  test('mail through a program', async () => {
    const mail = (program: string) => ({
      mail: { from: 'ci@acme.example', to: ['dev@acme.example'], sendmail: [program] },
    });
    expect(checksWith(await setup.findings(mail('true')), 'failure')).toEqual([]);
    expect(checksWith(await setup.findings(mail('/nowhere/sendmail')), 'failure')).toEqual(['mail']);
  });

  test('a file:// address, which readers of reviews cannot open', async () => {
    const findings = await setup.findings({ logs: { url: 'file:///srv/logs' } });
    expect(problems(findings)).toEqual([
      ['warning', 'logs-url', expect.stringContaining('readers on other hosts cannot open')],
    ]);
  });

  test('a file:// address is no problem as long as no comment is posted', async () => {
    const change = { logs: { url: 'file:///srv/logs' }, report: { enabled: false } };
    expect(problems(await setup.findings(change))).toEqual([]);
  });

  test('a missing help page', async () => {
    expect(checksWith(await setup.findings({ report: { helpUrl: undefined } }), 'warning')).toEqual(['wiki']);
  });
});
