import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { systemClock } from '../../../src/adapters/clock/system.ts';
import type { Finding, FindingVerdict } from '../../../src/app/doctor/finding.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { SmtpSink } from '../../fakes/smtp-sink.ts';
import { WebServer } from '../../fakes/web-server.ts';
import { needs } from '../../fixtures/needs.ts';
import { HTTP_PASSWORD, Lab } from './lab.ts';

const { test } = needs('sshd', 'git');

const NO_VOTE = { label: undefined, success: undefined, failure: undefined };
let lab: Lab;
beforeEach(async () => {
  lab = await Lab.start();
});
afterEach(() => lab.stop());

const of = (findings: readonly Finding[], verdict: FindingVerdict) =>
  findings.filter((one) => one.verdict === verdict).map(({ check }) => check);
/** All findings that are not ok, as text. */
const trouble = (findings: readonly Finding[]) =>
  findings
    .filter(({ verdict }) => verdict !== 'ok')
    .map(({ check, verdict, found }) => [verdict, check, found]);

describe('a correct configuration', () => {
  test('has only ok findings, and nothing is changed, here or elsewhere', async () => {
    lab.config();
    const before = lab.files();
    const findings = await lab.findings();
    expect(trouble(findings)).toEqual([]);
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
      ...['processes', 'node-sftp', 'node-folder', 'node-disk', 'logs-url', 'wiki'],
    ]);
    expect(lab.files()).toEqual(before);
    expect(lab.gerrit.commands.map((line) => line.replace(/^acme-ci: /, '')).sort()).toEqual([
      'gerrit stream-events',
      'gerrit version',
    ]);
    expect(lab.gerrit.requests.every((line) => line.startsWith('acme-ci: GET '))).toBe(true);
    await lab.gerrit.until(() => lab.gerrit.streams === 0);
  });

  test('without REST says what SSH cannot report', async () => {
    const findings = await lab.findings({ gerrit: { rest: undefined } });
    expect(trouble(findings)).toEqual([
      ['unchecked', 'label', 'the label exists; SSH cannot show whether we may vote on it'],
      ['unchecked', 'account', expect.stringContaining("does not show the account's display name")],
      ['unchecked', 'clock', 'SSH transfers no time'],
    ]);
  });
});

describe('Gerrit', () => {
  test('does not accept our key', async () => {
    lab.write('key', makeKeyPair('other').privateKey, 0o600);
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['login']);
    expect(of(findings, 'unchecked')).toEqual(['stream', 'connections']);
    expect(trouble(findings)[0]?.[2]).toContain('does not accept the key');
  });

  test('presents another host key than the known one', async () => {
    lab.config();
    lab.gerrit.replaceHostKey();
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['host-key']);
    expect(of(findings, 'unchecked')).toEqual(['login', 'stream', 'connections']);
    expect(findings.find(({ check }) => check === 'host-key')?.fix).toContain('this may be an attack');
  });

  test('presents an unknown host key', async () => {
    lab.write('known_hosts', '');
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['host-key']);
    expect(findings.find(({ check }) => check === 'host-key')?.fix).toContain('ssh-keyscan');
  });

  test('does not let us stream events', async () => {
    lab.account({ mayStream: false });
    const findings = await lab.findings({}, systemClock, { streamWaitMs: 60_000, timeoutMs: 120_000 });
    expect(trouble(findings)).toEqual([['failure', 'stream', expect.stringContaining('not permitted')]]);
    expect(findings.find(({ check }) => check === 'stream')?.fix).toContain('Stream Events');
  });

  test('is down', async () => {
    lab.config();
    await lab.gerrit.stop();
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['login', 'account']);
  });

  test('does not answer', async () => {
    const silent = createServer((socket) => socket.resume());
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const { port } = silent.address() as AddressInfo;
    const gerrit = { port, rest: { url: `http://127.0.0.1:${port}` } };
    const findings = await lab.findings({ gerrit }, systemClock, { timeoutMs: 1_000 });
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
    ['is no key', 0o600, 'hello', 'no private key that can be used'],
  ])('%s', async (_what, mode, text, found) => {
    if (text !== null) writeFileSync(join(lab.dir, 'key'), text);
    chmodSync(join(lab.dir, 'key'), mode);
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['key', 'login']);
    expect(trouble(findings)[0]?.[2]).toContain(found);
  });
});

describe('account and votes', () => {
  test.each([
    ['an unknown label', { report: { label: 'Verfied' } }, {}, 'the labels are Verified, Code-Review'],
    ['a vote that we may not give', { report: { success: 2 } }, {}, 'acme-ci may not vote +2'],
    ['a label that is not ours', {}, { labels: {} }, 'acme-ci may not vote +1, -1'],
  ])('%s', async (_what, change, account, found) => {
    lab.account(account);
    expect(trouble(await lab.findings(change))).toEqual([
      ['failure', 'label', expect.stringContaining(found)],
    ]);
  });

  test('an unknown label, as far as SSH can report', async () => {
    const findings = await lab.findings({ gerrit: { rest: undefined }, report: { label: 'Verfied' } });
    expect(of(findings, 'warning')).toEqual(['label']);
  });

  test('a project without an open change', async () => {
    const job = { project: 'openstack/nova', testing: { command: ['true'], exitCodeIsResult: true } };
    expect(trouble(await lab.findings({ jobs: { first: job } }))).toEqual([
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
    lab.account(account);
    const findings = await lab.findings({ ...change, gerrit: { name: undefined } });
    expect(findings.find(({ check }) => check === 'account')).toMatchObject({ verdict, found });
    expect(of(findings, 'unchecked')).toEqual(verdict === 'failure' ? ['clock', 'label'] : []);
    expect(JSON.stringify(findings)).not.toContain(HTTP_PASSWORD);
  });

  test('another account over REST than over SSH', async () => {
    lab.gerrit.setAccount({ username: 'other', httpPassword: HTTP_PASSWORD });
    const { gerrit, ...config } = lab.config({ report: NO_VOTE });
    if (gerrit.rest === null) throw new Error('no REST');
    const rest = { ...gerrit.rest, user: 'other' };
    const findings = await lab.examine({ ...config, gerrit: { ...gerrit, rest } }, systemClock);
    expect(of(findings, 'failure')).toEqual(['account']);
  });

  test.each([3_600_000, -3_600_000])('a clock that is %i ms off', async (ms) => {
    const clock = { ...systemClock, now: () => Date.now() + ms };
    const findings = await lab.findings({}, clock);
    const found = `this host's clock is 3600 s ${ms > 0 ? 'ahead' : 'behind'}`;
    expect(trouble(findings)).toEqual([
      ['failure', 'clock', expect.stringMatching(found.replace('3600', '3[56]\\d\\d'))],
    ]);
  });
});

describe('this host', () => {
  test('has too little disk space', async () => {
    const findings = await lab.findings({}, systemClock, { diskFreeBytes: 1e18 });
    expect(of(findings, 'failure')).toEqual(['disk', 'logs-disk']);
  });

  test('has no folder for the state', async () => {
    rmSync(join(lab.dir, 'state'), { recursive: true });
    writeFileSync(join(lab.dir, 'state'), 'a file');
    expect(of(await lab.findings({ logs: { dir: './logs' } }), 'failure')).toEqual(['state']);
  });

  test('lets others read its state', async () => {
    chmodSync(join(lab.dir, 'state'), 0o755);
    expect(of(await lab.findings(), 'warning')).toEqual(['state']);
  });
});

describe('a node', () => {
  const node = (change: object) => ({ providers: { nodes: { hosts: { node1: change } } } });

  test('is down', async () => {
    lab.config();
    await lab.sshd.down();
    const findings = await lab.findings();
    expect(of(findings, 'failure')).toEqual(['node']);
    expect(of(findings, 'unchecked')).toEqual([
      ...['node-host-key', 'node-tools', 'processes', 'node-sftp', 'node-folder', 'node-disk'],
    ]);
  });

  test('presents another host key', async () => {
    const [type = '', key = ''] = makeKeyPair('other').publicKey.split(' ');
    const findings = await lab.findings(node({ hostKey: `${type} ${key}` }));
    expect(of(findings, 'failure')).toEqual(['node-host-key']);
  });

  test('presents a host key that is not pinned', async () => {
    const findings = await lab.findings(node({ hostKey: undefined }));
    expect(of(findings, 'warning')).toEqual(['node-host-key']);
    const [type = '', key = ''] = lab.sshd.hostKey.split(' ');
    expect(findings.find(({ check }) => check === 'node-host-key')?.fix).toContain(`hostKey: ${type} ${key}`);
    expect(lab.files().filter((name) => name.includes('host-keys'))).toEqual([]);
  });

  test('does not accept our key', async () => {
    const key = lab.write('node-key', makeKeyPair('other').privateKey, 0o600);
    const findings = await lab.findings({ providers: { nodes: { ssh: { key } } } });
    expect(of(findings, 'failure')).toEqual(['node']);
  });

  test('has no disk space, and a file in place of the folder', async () => {
    writeFileSync(join(lab.dir, 'node'), 'a file');
    const findings = await lab.findings({}, systemClock, { nodeDiskFreeBytes: 1e18 });
    expect(of(findings, 'failure')).toEqual(['node-folder', 'node-disk']);
  });

  test('has no program with the name in the job', async () => {
    const there = lab.write('stack.sh', '#!/bin/sh\n', 0o755);
    const plain = lab.write('plain.sh', '#!/bin/sh\n', 0o644);
    const job = (stacking: string, testing: string) => ({
      jobs: { first: { stacking: { command: [stacking] }, testing: { command: [testing] } } },
    });
    const commands = async (change: Parameters<typeof lab.findings>[0]) =>
      (await lab.findings(change)).filter(({ check }) => check === 'commands');
    expect(await commands(job('./stack.sh', 'tox'))).toEqual([]);
    expect(await commands(job(there, 'tox'))).toMatchObject([{ verdict: 'ok' }]);
    expect(await commands(job(plain, `${lab.dir}/none`))).toMatchObject([
      { verdict: 'failure', found: `jobs.first.stacking.command: ${plain} is missing or not executable` },
      { verdict: 'warning', target: 'nodes/node1' },
    ]);
    const here = { providers: { nodes: undefined, here: { type: 'local' } } };
    expect(await commands({ ...here, ...job(there, `${lab.dir}/none`) })).toMatchObject([
      { verdict: 'warning', target: 'here' },
    ]);
  });
});

describe('other providers', () => {
  const only = (nodes: object) => ({ providers: { nodes: undefined, other: nodes } });

  test('local, beside Gerrit', async () => {
    expect(of(await lab.findings(only({ type: 'local' })), 'failure')).toEqual([]);
  });

  test('an account for the commands of jobs must be one that this process can switch to', async () => {
    const found = await lab.findings(only({ type: 'local', user: 'no-such-account' }));
    expect(of(found, 'failure')).toEqual(['provider']);
  });

  test.each([
    ['answers', '{"servers": []}', []],
    ['answers nonsense', '{"severs": []}', ['provider']],
    ['is not JSON', 'hello', ['provider']],
  ])('a program that %s', async (_what, answer, failures) => {
    const list = lab.write('list', `#!/bin/sh\ncat <<'E'\n${answer}\nE\n`, 0o755);
    const { keyFile: key, user } = lab.sshd;
    const provider = {
      type: 'command',
      ssh: { key, user },
      create: ['false'],
      list: [list],
      delete: ['false'],
    };
    expect(of(await lab.findings(only(provider)), 'failure')).toEqual(failures);
  });
});

describe('people', () => {
  test('read the logs at a URL, which also returns the time', async () => {
    const web = await WebServer.start();
    try {
      const change = { logs: { url: web.url }, gerrit: { rest: undefined }, report: NO_VOTE };
      expect(of(await lab.findings(change), 'unchecked')).toEqual(['account']);
      web.answer = ({ response }) => {
        response.statusCode = 401;
        response.end();
      };
      expect(of(await lab.findings(change), 'failure')).toEqual(['logs-url']);
    } finally {
      await web.close();
    }
    expect(of(await lab.findings({ logs: { url: web.url } }), 'failure')).toEqual(['logs-url']);
  });

  test('get mail over SMTP', async () => {
    const sink = await SmtpSink.start();
    const smtp = { host: '127.0.0.1', port: sink.port, tls: 'none' };
    const mail = { from: 'ci@acme.example', to: ['dev@acme.example'], smtp };
    expect(of(await lab.findings({ mail }), 'failure')).toEqual([]);
    expect(sink.mails).toEqual([]);
    await sink.close();
    expect(of(await lab.findings({ mail }), 'failure')).toEqual(['mail']);
  });

  test('get mail through a program', async () => {
    const mail = (program: string) => ({
      mail: { from: 'ci@acme.example', to: ['dev@acme.example'], sendmail: [program] },
    });
    expect(of(await lab.findings(mail('true')), 'failure')).toEqual([]);
    expect(of(await lab.findings(mail('/nowhere/sendmail')), 'failure')).toEqual(['mail']);
  });

  test('find no page of ours', async () => {
    expect(of(await lab.findings({ report: { helpUrl: undefined } }), 'warning')).toEqual(['wiki']);
  });
});
