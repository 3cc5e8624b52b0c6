/** External services in the file: Gerrit's REST interface, mail, and a log server. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../src/config/file/config-error.ts';
import { loadConfig } from '../../src/config/load.ts';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-outside-'));
  writeFileSync(join(dir, 'key'), 'key');
  writeFileSync(join(dir, 'password'), 'correct horse\n', { mode: 0o600 });
});
afterEach(() => rmSync(dir, { recursive: true }));

const JOB = "jobs: {acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}";

function load(rest: string, mail = '') {
  const gerrit = `gerrit: {host: localhost, user: acme-ci, key: ./key${rest === '' ? '' : `, rest: ${rest}`}}`;
  const file = join(dir, 'sos-ci.yaml');
  writeFileSync(file, [gerrit, mail === '' ? '' : `mail: ${mail}`, JOB, ''].join('\n'));
  return loadConfig(file, { environment: { SMTP_PW: 'battery staple' } });
}

function mistakes(rest: string, mail = ''): readonly string[] {
  try {
    load(rest, mail);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, what }) => `${path} ${what}`);
    throw error;
  }
  return [];
}

describe('gerrit.rest', () => {
  test('is absent by default', () => {
    expect(load('').gerrit.rest).toBeNull();
  });

  test('uses the account of the stream; its password is redacted in evidence and never part of the configuration', () => {
    const config = load('{url: https://review.example.org/gerrit/, password: {file: ./password}}');
    expect(config.gerrit.rest).toEqual({
      url: 'https://review.example.org/gerrit',
      user: 'acme-ci',
      password: { file: join(dir, 'password'), env: null },
      caFile: null,
      idleMs: 15_000,
      maxRetryAfterMs: 60_000,
    });
    expect(config.redact).toEqual(['correct horse']);
    expect(JSON.stringify({ ...config, redact: [] })).not.toContain('correct horse');
  });

  test.each([
    ['{password: {file: ./password}}', 'gerrit.rest.url is missing'],
    ['{url: https://r.example}', 'gerrit.rest.password is missing'],
    [
      '{url: http://r.example, password: {file: ./password}}',
      'gerrit.rest.url would send the password in the clear',
    ],
    [
      '{url: https://a:b@r.example, password: {file: ./password}}',
      'gerrit.rest.url holds a user or password',
    ],
    [
      '{url: https://r.example/?x=1, password: {file: ./password}}',
      'gerrit.rest.url must be the address of the site alone',
    ],
    ['{url: https://r.example, password: {}}', 'gerrit.rest.password must have either file or env'],
    [
      '{url: https://r.example, password: hunter2}',
      'gerrit.rest.password must be a mapping of keys, not a single value',
    ],
    [
      '{url: https://r.example, password: 12345678}',
      'gerrit.rest.password must be a mapping of keys, not a single value',
    ],
  ])('%s: %s', (rest, mistake) => {
    const found = mistakes(rest);
    expect(found).toEqual([mistake]);
    expect(found.join()).not.toMatch(/hunter2|12345678/);
  });

  test('without encryption is allowed on this host only', () => {
    expect(mistakes('{url: http://127.0.0.1:8080, password: {file: ./password}}')).toEqual([]);
    expect(mistakes('{url: "http://[::1]:8080", password: {file: ./password}}')).toEqual([]);
  });
});

describe('mail', () => {
  test('is sent over SMTP', () => {
    const config = load(
      '',
      '{from: Acme CI <ci@acme.example>, to: [dev@acme.example], smtp: {host: mail.example.org, user: ci, password: {env: SMTP_PW}}}',
    );
    expect(config.mail).toEqual({
      from: { name: 'Acme CI', address: 'ci@acme.example' },
      to: ['dev@acme.example'],
      on: 'failure',
      alarmsTo: [],
      maxAlarmMailsPerHour: 20,
      alarmBatchDelayMs: 10_000,
      by: {
        host: 'mail.example.org',
        port: 587,
        tls: 'starttls',
        login: { user: 'ci', password: { file: null, env: 'SMTP_PW' } },
        caFile: null,
      },
      timeoutMs: 60_000,
      attempts: 10,
      retryMs: 60_000,
    });
    expect(config.redact).toEqual(['battery staple']);
  });

  test('is sent by a program of the host', () => {
    const config = load(
      '',
      '{from: ci@acme.example, alarmsTo: [o@acme.example], sendmail: [/usr/sbin/sendmail, -oi]}',
    );
    expect(config.mail?.by).toEqual({ sendmail: ['/usr/sbin/sendmail', '-oi'] });
    expect(config.mail?.from).toEqual({ name: '', address: 'ci@acme.example' });
  });

  const SMTP = 'smtp: {host: localhost}';
  test.each([
    [`{from: a@b.c, ${SMTP}}`, 'mail has no recipient'],
    ['{from: a@b.c, to: [a@b.c]}', 'mail has no transport'],
    [`{from: a@b.c, to: [a@b.c], ${SMTP}, sendmail: [/bin/true]}`, 'mail.sendmail is set beside smtp'],
    [
      `{from: "a@b.c\\r\\nBcc: x", to: [a@b.c], ${SMTP}}`,
      'mail.from holds a control character or a line end',
    ],
    [`{from: "-oQ/tmp@b.c", to: [a@b.c], ${SMTP}}`, 'mail.from is not a mail address'],
    [`{from: a@b.c, to: ["-X/tmp/x@b.c"], ${SMTP}}`, 'mail.to.0 "-X/tmp/x@b.c" is not a mail address'],
    [`{from: a@b.c, to: ["a@b.c, d@e.f"], ${SMTP}}`, 'mail.to.0 "a@b.c, d@e.f" is not a mail address'],
    ['{from: a@b.c, to: [a@b.c], smtp: {host: m, user: u}}', 'mail.smtp has no password for its user'],
    [
      '{from: a@b.c, to: [a@b.c], smtp: {host: m, tls: none, user: u, password: {env: SMTP_PW}}}',
      'mail.smtp.tls would send the password in the clear',
    ],
  ])('%s: %s', (mail, mistake) => {
    expect(mistakes('', mail)).toEqual([mistake]);
  });
});

describe('logs on another host', () => {
  const loadLogs = (logs: string) => {
    const file = join(dir, 'sos-ci.yaml');
    const gerrit = 'gerrit: {host: localhost, user: acme-ci, key: ./key}';
    writeFileSync(file, [gerrit, `logs: ${logs}`, JOB, ''].join('\n'));
    return loadConfig(file, { environment: {} });
  };
  const SSH = 'host: logs.acme.example, user: ci, key: ./logs-key, dir: /srv/logs';
  beforeEach(() => writeFileSync(join(dir, 'logs-key'), 'bGluZSBvZiBhIGtleQ==\n', { mode: 0o600 }));

  test('names a log server, whose key is kept out of evidence', () => {
    const { logs, redact } = loadLogs(
      `{url: 'https://logs.acme.example', ssh: {${SSH}, knownHosts: ./hosts}}`,
    );
    expect(logs.destination).toMatchObject({
      type: 'ssh',
      ...{ host: 'logs.acme.example', port: 22, user: 'ci', dir: '/srv/logs' },
      ...{ keyFile: join(dir, 'logs-key'), knownHostsFile: join(dir, 'hosts') },
    });
    expect(redact).toContain('bGluZSBvZiBhIGtleQ==');
  });

  test('names a container, whose objects expire a week after logs.keep', () => {
    const swift = 'swift: {container: logs, cloud: lab}';
    const destination = (more: string) =>
      loadLogs(`{url: 'https://swift.acme.example/v1/AUTH_ci/logs', ${swift}${more}}`).logs.destination;
    const expected = { type: 'swift', container: 'logs', cloud: 'lab', openrcFile: null };
    expect(destination(', keep: 1d')).toEqual({ ...expected, deleteAfterMs: 8 * 24 * 3_600_000 });
    expect(destination(', keep: 0s')).toEqual({ ...expected, deleteAfterMs: 0 });
  });

  test.each([
    ['{}', { publish: 'sos_ci.openstack.publish', expire: 'sos_ci.openstack.expire' }],
    ['{expire: lab.logs.expire}', { publish: 'sos_ci.openstack.publish', expire: 'lab.logs.expire' }],
    ['{file: lab.logs.publish}', { publish: 'lab.logs.publish', expire: null }],
  ])('names playbooks: %s', (playbook, expected) => {
    const { logs } = loadLogs(`{url: 'https://logs.acme.example', playbook: ${playbook}}`);
    const more = { type: 'playbook', inventory: '/etc/ansible/hosts' };
    expect(logs.destination).toEqual({ ...more, ...expected });
  });

  test.each([
    [`{ssh: {${SSH}}}`, 'logs.ssh needs logs.url'],
    [`{url: 'file:///srv/logs', ssh: {${SSH}}}`, 'logs.ssh needs logs.url'],
    [`{url: 'https://l.example', dir: ./logs, ssh: {${SSH}}}`, 'logs.dir is set beside ssh'],
    [`{url: 'https://l.example', ssh: {${SSH.replace('/srv', 'srv')}}}`, 'logs.ssh.dir must be absolute'],
    [
      `{url: 'https://l.example', ssh: {${SSH.replace('/srv', '/srv/..')}}}`,
      'logs.ssh.dir must be a path without dot segments',
    ],
    ['{playbook: {}}', 'logs.playbook needs logs.url'],
    [
      "{url: 'https://l.example', swift: {container: a/b}}",
      expect.stringMatching(/^logs\.swift\.container /),
    ],
    [`{url: 'https://l.example', ssh: {${SSH}}, playbook: {}}`, 'logs.playbook is set beside ssh'],
    [
      "{url: 'https://l.example', playbook: {file: ./none.yml}}",
      expect.stringMatching(/^logs\.playbook\.file .*none\.yml does not exist/),
    ],
    [
      `{url: 'https://l.example', ssh: {${SSH.replace('logs-key', 'none')}}}`,
      expect.stringMatching(/^logs\.ssh\.key .*none/),
    ],
  ])('%s: %s', (text, mistake) => {
    let found: readonly string[] = [];
    try {
      loadLogs(text);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      found = error.problems.map(({ path, what }) => `${path} ${what}`);
    }
    expect(found).toEqual([mistake]);
  });
});
