/** Secrets of jobs: which are rejected, and what is redacted. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/config/file/config-error.ts';
import { loadConfig } from '../../../src/config/load.ts';

const KEY_LINE = 'b3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQAAAAAAAAABAAAAMwAAAAtzc2gtZW';
const NODES =
  'providers: {vm: {type: command, ssh: {key: ./node, user: u}, create: [a], list: [a], delete: [a]}}';
const LIST = 'secrets: [{file: ./array}, {env: TOKEN}]';

let dir: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-secrets-'));
  write('key', `-----BEGIN OPENSSH PRIVATE KEY-----\n${KEY_LINE}\n`);
  write('node', 'another key\n');
  write('array', "san_login = admin\nsan_password = 'hunter22hunter'\n");
  write('smtp', 'mail password\n');
});
afterEach(() => rmSync(dir, { recursive: true }));

function write(name: string, text: string): void {
  writeFileSync(join(dir, name), text);
  chmodSync(join(dir, name), 0o600);
}

function load(job: string, { providers = NODES, more = '' } = {}) {
  write(
    'sos-ci.yaml',
    [
      'gerrit: {host: localhost, user: acme-ci, key: ./key}',
      providers,
      more,
      `jobs:\n  acme:\n    project: p\n    testing: {command: [a], exitCodeIsResult: true}\n    ${job}`,
    ].join('\n'),
  );
  return loadConfig(join(dir, 'sos-ci.yaml'), {
    environment: { TOKEN: 'a token of the lab' },
    home: join(dir, 'home'),
  });
}

/** The errors, without the position in the file and the directory. */
function mistakes(...how: Parameters<typeof load>): readonly string[] {
  try {
    load(...how);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.message
      .split('\n')
      .map((line) => line.replaceAll(`${dir}/`, '').replace(/^sos-ci\.yaml:\d+:\d+: /, ''));
  }
  return [];
}

test('the values of a file under redact are redacted, and its lines', () => {
  const { redact } = load('', { more: 'redact: [{file: ./array}]' });
  expect(redact).toEqual(expect.arrayContaining(['hunter22hunter', "san_password = 'hunter22hunter'"]));
});

describe('secrets of a job', () => {
  test('are listed in its stages, and redacted', () => {
    const config = load(`${LIST}\n    exposesSecretsTo: anyone`);
    expect(config.jobs[0]?.spec.testing.secrets).toEqual([
      { name: 'array', file: join(dir, 'array'), env: null },
      { name: 'TOKEN', file: null, env: 'TOKEN' },
    ]);
    expect(JSON.stringify(config.jobs)).not.toMatch(/hunter22|a token/);
    expect(config.redact).toEqual(expect.arrayContaining(['hunter22hunter', 'a token of the lab']));
  });

  test.each([
    ['anyone', ''],
    ['requireVote', 'triggers: [vote]\n    votes: [{label: Code-Review, min: 1, by: [alice]}]'],
    ['authors', 'uploaders: {include: [alice, bob]}'],
  ])('may be exposed to %s', (audience, rules) => {
    expect(mistakes(`${LIST}\n    exposesSecretsTo: ${audience}\n    ${rules}`)).toEqual([]);
  });

  test.each([
    [
      'nothing declared about who can read them',
      LIST,
      'jobs.acme.secrets: can be read by every change that this job tests; declare who uploads them: add exposesSecretsTo: anyone | requireVote | authors',
    ],
    [
      'a misspelt audience',
      `${LIST}\n    exposesSecretsTo: author`,
      'jobs.acme.exposesSecretsTo: must be one of anyone, requireVote, authors, not "author"; did you mean "authors"?',
    ],
    [
      'an audience, but no secrets',
      'exposesSecretsTo: anyone',
      'jobs.acme.exposesSecretsTo: has no effect without secrets; add secrets, or remove it',
    ],
    [
      'a vote that a recheck replaces',
      `${LIST}\n    exposesSecretsTo: requireVote\n    requireVote: zuul Verified+1`,
      'jobs.acme.exposesSecretsTo: is not guaranteed: a recheck, or the end of requireVoteTimeout, starts the job without a vote; add triggers: [vote] and votes: [{label, min, by}]',
    ],
    [
      "anyone's vote",
      `${LIST}\n    exposesSecretsTo: requireVote\n    triggers: [vote]\n    votes: [{label: Code-Review, min: 1, by: '*'}]`,
      'jobs.acme.exposesSecretsTo: is not enough: anyone may cast the vote; name the voters: votes: [{by: [NAME]}]',
    ],
    [
      'authors, while anyone may upload',
      `${LIST}\n    exposesSecretsTo: authors\n    authors: {include: [alice]}`,
      'jobs.acme.exposesSecretsTo: is not enough: anyone may upload a change for this job; add uploaders: {include: [NAME]}; the author of a commit can be forged, the uploader cannot',
    ],
    [
      'the key of Gerrit under another name',
      'secrets: [{file: ./copy}]\n    exposesSecretsTo: anyone',
      'jobs.acme.secrets.0: holds a credential of this CI (gerrit.key); tests could act as this CI: create a separate account',
    ],
    [
      'a password of this CI',
      'secrets: [{file: ./smtp}]\n    exposesSecretsTo: anyone',
      'jobs.acme.secrets.0: holds a credential of this CI (a password of this file); tests could act as this CI: create a separate account',
    ],
    [
      'two secrets of the same name',
      'secrets: [{file: ./array}, {file: ../array}]\n    exposesSecretsTo: anyone',
      'jobs.acme.secrets.1: there are two secrets named array; rename one: they share a directory',
    ],
    [
      'a variable that is not set',
      'secrets: [{env: NOTHING}]\n    exposesSecretsTo: anyone',
      'jobs.acme.secrets.0: the environment variable NOTHING is not set; set it for the daemon, or remove the entry',
    ],
  ])('are rejected with %s', (_what, job, expected) => {
    write('copy', `${KEY_LINE}\n`);
    const more =
      'mail: {from: ci@acme.example, to: [a@acme.example], smtp: {host: localhost, user: u, password: {file: ./smtp}}}';
    expect(mistakes(job, { more })).toContain(expected);
  });

  test.each([
    ['openrc', 'export OS_PASSWORD="cloudy cloudy"\n', 'openrc: ./openrc'],
    [
      'home/.config/openstack/clouds.yaml',
      'clouds:\n  lab:\n    auth:\n      password: cloudy cloudy\n',
      'cloud: lab',
    ],
  ])('are rejected if they hold the password of a cloud in %s, or are that file', (file, text, key) => {
    mkdirSync(join(dir, dirname(file)), { recursive: true });
    write(file, text);
    write('array', 'cloudy cloudy\n');
    const providers = `providers: {vm: {type: openstack, ssh: {key: ./node, user: u}, ${key}, image: a, flavor: b, networks: [{name: c}]}}`;
    const problem =
      'holds a credential of this CI (the cloud of providers.vm); tests could act as this CI: create a separate account';
    for (const secret of ['./array', `./${file}`])
      expect(mistakes(`secrets: [{file: ${secret}}]\n    exposesSecretsTo: anyone`, { providers })).toContain(
        `jobs.acme.secrets.0: ${problem}`,
      );
  });

  test.each([
    ['openrc', 'export OS_PASSWORD="cloudy cloudy"\n', 'openrc: ./openrc'],
    [
      'home/.config/openstack/clouds.yaml',
      'clouds:\n  lab:\n    auth:\n      password: cloudy cloudy\n',
      'cloud: lab',
    ],
    ['tempest.conf', '[auth]\nadmin_password = cloudy cloudy\n', 'cloud: lab'],
  ])(
    "are rejected if they hold the password of a janitor's cloud in %s, or are that file",
    (file, text, key) => {
      mkdirSync(join(dir, dirname(file)), { recursive: true });
      write(file, text);
      write('array', 'cloudy cloudy\n');
      const tempest = `{config: ./tempest.conf, project: admin, ${key}}`;
      const more = `backends: {a: 1}\njanitors: {tidy: {backends: [a], tempest: ${tempest}}}`;
      const problem = 'holds a credential of this CI (the cloud of janitors.tidy.tempest)';
      for (const secret of ['./array', `./${file}`])
        expect(
          mistakes(`secrets: [{file: ${secret}}]\n    exposesSecretsTo: anyone`, { more }),
        ).toContainEqual(expect.stringContaining(`jobs.acme.secrets.0: ${problem}`));
    },
  );

  test.each([
    ['this host', 'providers: {local: {}}', 'local runs the tests; use another provider'],
    [
      'hosts that are not reset',
      'providers: {lab: {type: static, ssh: {key: ./node, user: u}, hosts: {a: {host: a}}}}',
      'on which processes of an earlier job may still run; add providers.lab.reset',
    ],
  ])('are rejected on %s', (_what, providers, expected) => {
    const found = mistakes(`${LIST}\n    exposesSecretsTo: anyone`, { providers });
    expect(found).toEqual([expect.stringContaining(expected)]);
  });
});
