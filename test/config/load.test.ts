import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { SecretSet } from '../../src/adapters/evidence/redact/redact.ts';
import { ConfigError } from '../../src/config/file/config-error.ts';
import { EXAMPLE } from '../../src/config/file/init-template.ts';
import { loadConfig } from '../../src/config/load.ts';

let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-config-'));
  file = join(dir, 'sos-ci.yaml');
  mkdirSync(join(dir, 'home', '.ssh'), { recursive: true });
  for (const name of ['acme-ci', 'acme-node']) writeFileSync(join(dir, 'home', '.ssh', name), 'key');
  writeFileSync(join(dir, 'key'), 'key');
  writeFileSync(join(dir, 'run.sh'), '', { mode: 0o755 });
});
afterEach(() => rmSync(dir, { recursive: true }));

function load(text: string, environment: Record<string, string> = {}) {
  writeFileSync(file, text);
  return loadConfig(file, { home: join(dir, 'home'), environment });
}

/** The errors, one per line, without the directory. */
function mistakes(text: string, environment: Record<string, string> = {}): readonly string[] {
  try {
    load(text, environment);
  } catch (error) {
    if (error instanceof ConfigError)
      return error.message.split('\n').map((line) => line.replaceAll(`${dir}/`, ''));
    throw error;
  }
  return [];
}

const GERRIT = 'gerrit: {host: localhost, user: acme-ci, key: ./key}';
const JOB = "jobs: {acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}";

describe('a whole configuration', () => {
  test('the example is at most 12 lines', () => {
    expect(EXAMPLE.trimEnd().split('\n').length).toBeLessThanOrEqual(12);
  });

  test('gets every default', async () => {
    const config = load(EXAMPLE);
    const shown = JSON.stringify(config, null, 2).replaceAll(dir, '/DIR');
    await expect(`${shown}\n`).toMatchFileSnapshot('../golden/config-example.json');
  });

  test('resolves paths relative to the file, ~ to the home directory, and leaves absolute paths unchanged', () => {
    const config = load(
      `${GERRIT.replace('./key', `${dir}/key, knownHosts: ~/hosts`)}\nstateDir: ../elsewhere\nlogs: {dir: pub}\n${JOB}`,
    );
    expect(config.gerrit.keyFile).toBe(join(dir, 'key'));
    expect(config.gerrit.knownHostsFile).toBe(join(dir, 'home', 'hosts'));
    expect(config.stateDir).toBe(join(dir, '..', 'elsewhere'));
    expect(config.logs.destination).toEqual({ type: 'directory', dir: join(dir, 'pub') });
  });

  test('accepts an alias for a whole value', () => {
    const config = load(`${GERRIT}
jobs:
  a: {project: p, testing: &t {command: ['true'], timeout: 1h30m, exitCodeIsResult: true}}
  b: {project: p, testing: *t}
`);
    expect(config.jobs.map((job) => job.spec.testing.timeoutMs)).toEqual([5_400_000, 5_400_000]);
  });
});

describe('secrets to redact', () => {
  test('are read from files and the environment; each line of a longer file is one', () => {
    writeFileSync(join(dir, 'one'), 'hunter22\n');
    writeFileSync(join(dir, 'many'), '-----BEGIN-----\nabcdefghij\nshort\n');
    const config = load(`${GERRIT}\n${JOB}\nredact: [{file: one}, {file: many}, {env: TOKEN}]`, {
      TOKEN: 'from env',
    });
    expect(config.redact).toEqual(['hunter22', '-----BEGIN-----', 'abcdefghij', 'from env']);
  });

  test('include our own private keys without configuration: each line except the headers', () => {
    const lines = (letter: string) => [letter.repeat(70), `${letter}3BlbnNzaC1rZXk=`];
    const pem = (letter: string) =>
      ['-----BEGIN OPENSSH PRIVATE KEY-----', ...lines(letter), '-----END OPENSSH PRIVATE KEY-----', ''].join(
        '\n',
      );
    writeFileSync(join(dir, 'key'), pem('b'));
    writeFileSync(join(dir, 'node-key'), pem('c'));
    const nodes =
      'providers: {lab: {type: static, ssh: {key: ./node-key, user: ci}, hosts: {n1: {host: 192.0.2.1}}}}';
    const { redact } = load(`${GERRIT}\n${JOB}\n${nodes}`);
    expect(redact).toEqual([...lines('b'), ...lines('c')]);
    // A job's log: the key for Gerrit, printed by cat, and the key for the nodes, after a time stamp.
    const published = new SecretSet(redact).text(`+ cat key\n${pem('b')}12:00 ${pem('c')}`);
    expect(published).not.toMatch(/bbbb|cccc|b3BlbnNz|c3BlbnNz/);
    expect(published).toContain('+ cat key\n-----BEGIN OPENSSH PRIVATE KEY-----\n[redacted]');
  });

  test('that cannot be read are errors', () => {
    writeFileSync(join(dir, 'short'), 'abc');
    expect(
      mistakes(
        `${GERRIT}\n${JOB}\nredact:\n  - {file: none}\n  - {env: TOKEN}\n  - {file: short}\n  - {}\n  - {file: a, env: B}\n`,
      ),
    ).toEqual([
      'sos-ci.yaml:4:5: redact.0: none cannot be read; correct the path or its mode, or remove the entry',
      'sos-ci.yaml:5:5: redact.1: the environment variable TOKEN is not set; set it for the daemon, or remove the entry',
      'sos-ci.yaml:6:5: redact.2: short has fewer than 4 characters, or only lines of fewer than 8; a secret that short cannot be distinguished from other text',
      'sos-ci.yaml:7:5: redact.3: must have either file or env; write {file: PATH} or {env: NAME}',
      'sos-ci.yaml:8:5: redact.4: must have either file or env; write {file: PATH} or {env: NAME}',
    ]);
  });
});

describe('errors', () => {
  test('are all reported at once, in order, with line, column and the next step', async () => {
    const found = mistakes(`gerrit:
  hots: review.example.org
  port: "29418"
  user: acme ci
  key: ./none
  password: hunter2
  streamIdleTimeout: 30
  commandTimeout: soon
  keepalive: 15s
report:
  success: 1
  pipeline: third-party
  helpUrl: wiki.example.org
  stopVotingAfter: 3
  lable: Verified
providers:
  local: {slots: 0, kind: local}
  other cloud: {type: openstak}
jobs:
  acme dsvm:
    project: [openstack/cinder]
    branch: master
    branches: [refs/heads/master, "^stable/.*$"]
    provider: locl
    timeout: 3h
    stacking: {command: ./stack.sh --fast, timeout: 1h}
    testing: {command: [], outputLimit: 64KB}
    limits: {maxEvidenceSize: 64}
    logs: [/etc, ../up, logs]
  "-x": {project: p, testing: {command: [make, 1], results: 3}, voting: maybe}
  plain: text
  empty:
redact: secret
loging: {level: debug}
log: {level: inf}
triggers: {maxOpenJobs: 1.5, requireVoteTimeout: 31d}
monitoring: {quiet: 1d}
`);
    await expect(`${found.join('\n')}\n`).toMatchFileSnapshot('../golden/config-errors.txt');
  });

  test.each([
    ['an empty file', '', 'sos-ci.yaml:1:1: is empty; begin with: sos-ci config check --example'],
    ['only comments', '# nothing\n', 'sos-ci.yaml:1:1: is empty; begin with: sos-ci config check --example'],
    [
      'a list',
      '- gerrit\n',
      'sos-ci.yaml:1:1: must be a mapping of keys at the top level; begin with: sos-ci config check --example',
    ],
    [
      'a string',
      'gerrit',
      'sos-ci.yaml:1:1: must be a mapping of keys at the top level; begin with: sos-ci config check --example',
    ],
    [
      'a tab',
      `${JOB}\ngerrit:\n\thost: localhost\n`,
      'sos-ci.yaml:3:1: a tab is used to indent; indent with spaces',
    ],
    [
      'two documents',
      `${GERRIT}\n${JOB}\n---\n${GERRIT}\n`,
      'sos-ci.yaml:3:1: a second document begins here (---); keep one document in the file',
    ],
    [
      'a merge key',
      `${GERRIT}\n${JOB}\nreport: {<<: {enabled: false}}\n`,
      'sos-ci.yaml:3:10: report.<<: merge keys are not supported; use an alias for a whole value (limits: *common), or write the keys out',
    ],
    [
      'an alias within the value of its anchor',
      `${GERRIT}\njobs:\n  a: {project: p, testing: {playbook: ./p.yml, variables: &v {<<: *v, A: 1}}}\n`,
      'sos-ci.yaml:1:1: a value contains an alias of itself; write the values out where they are used',
    ],
    [
      'a tag',
      `${GERRIT}\n${JOB}\nreport: {label: !unsafe Verified, success: 1}\n`,
      'sos-ci.yaml:3:17: tags are not supported; put the value into a file of variableFiles',
    ],
    [
      'none of the required keys',
      'log: {}\n',
      'sos-ci.yaml:1:1: gerrit: is missing; add it: gerrit: {host: HOST, user: USER, key: PATH}\nsos-ci.yaml:1:1: jobs: is missing; add at least one job: docs/configuration.md shows how',
    ],
    [
      'no job',
      `${GERRIT}\njobs: {}\n`,
      'sos-ci.yaml:2:7: jobs: names no job; add one: docs/configuration.md shows how',
    ],
    [
      'a vote without a label',
      `${GERRIT}\n${JOB}\nreport: {failure: -1}\n`,
      'sos-ci.yaml:3:19: report.failure: is a vote without a label; add report.label, such as Verified, or remove the vote',
    ],
    [
      'a job that could never fail',
      `${GERRIT}\njobs:\n  acme:\n    project: p\n    testing: {command: ['true']}\n`,
      'sos-ci.yaml:5:14: jobs.acme.testing: nothing defines a failed test, so this job could never be FAILURE; add results: FILE (the TAP file that the tests write; for subunit, results: {format: subunit, file: FILE}), or exitCodeIsResult: true if any exit code but 0 means that a test failed',
    ],
    [
      'a stage that runs nothing, and one that runs two things',
      `${GERRIT}\njobs:\n  acme:\n    project: p\n    stacking: {timeout: 1h}\n    testing: {command: [a], script: [./run.sh], exitCodeIsResult: true}\n`,
      'sos-ci.yaml:5:15: jobs.acme.stacking: has nothing to run; add command: [PROGRAM, ARGUMENT], script: [PATH, ARGUMENT] or playbook: PATH\nsos-ci.yaml:6:14: jobs.acme.testing: has command and script; a stage runs one of them: remove the other',
    ],
    [
      'a script that cannot be started, and one outside of its directory',
      `${GERRIT}\njobs:\n  acme:\n    project: p\n    stacking: {script: [./key]}\n    testing: {script: [./run.sh], directory: ./home, exitCodeIsResult: true}\n`,
      'sos-ci.yaml:5:24: jobs.acme.stacking.script: key is not executable; chmod +x key\nsos-ci.yaml:6:46: jobs.acme.testing.directory: does not contain run.sh; name the directory that it is in, or one above',
    ],
    [
      'a playbook on this host, a playbook below stateDir, and keys of another kind of stage',
      `${GERRIT}\njobs:\n  acme:\n    project: p\n    stacking: {playbook: ./state/play.yml, variables: {sos_ci: 1}}\n    testing: {command: [a], confine: bubblewrap, exitCodeIsResult: true}\n`,
      'sos-ci.yaml:5:26: jobs.acme.stacking.playbook: needs a node, and local is this host; use another provider, or a script\nsos-ci.yaml:5:26: jobs.acme.stacking.playbook: state/play.yml is in stateDir, where patches are checked out; move it elsewhere\nsos-ci.yaml:5:55: jobs.acme.stacking.variables: holds sos_ci, which describes the job itself; remove it\nsos-ci.yaml:6:38: jobs.acme.testing.confine: belongs to a playbook; add playbook: PATH, or remove it',
    ],
    [
      'a playbook with two dots in its name',
      `${GERRIT}\njobs:\n  acme:\n    project: p\n    testing: {playbook: stack.noble.yml, exitCodeIsResult: true}\n`,
      'sos-ci.yaml:5:25: jobs.acme.testing.playbook: needs a node, and local is this host; use another provider, or a script\nsos-ci.yaml:5:25: jobs.acme.testing.playbook: stack.noble.yml does not exist or cannot be read; correct the path',
    ],
    [
      "other people's code on this host",
      `${GERRIT.replace('localhost', 'review.opendev.org')}\n${JOB}\n`,
      'sos-ci.yaml:1:1: providers.local: would run patchsets of review.opendev.org as this user, on this host; name an account that runs their code: providers.local.user; or, if anyone who can upload there may run code as this user, say so: providers.local.allowUntrustedCode: true',
    ],
    [
      'two providers and a job that chooses none',
      `${GERRIT}\n${JOB}\nproviders: {a: {}, b: {}}\n`,
      'sos-ci.yaml:2:8: jobs.acme.provider: is missing, and there is more than one; choose one of a, b',
    ],
    [
      'no provider',
      `${GERRIT}\n${JOB}\nproviders: {}\n`,
      'sos-ci.yaml:3:12: providers: names no provider; add one, or remove the key: providers: {local: {slots: 1}}',
    ],
    [
      'a private key instead of its path',
      `gerrit:\n  host: localhost\n  user: u\n  key: "-----BEGIN OPENSSH PRIVATE KEY----- b3Blb"\n${JOB}\n`,
      'sos-ci.yaml:4:8: gerrit.key: holds a key itself; secrets do not belong in this file; save it in a separate file (mode 0600), name that file here, and generate a new private key, because this one has been exposed',
    ],
    [
      'a password in an address',
      `${GERRIT}\n${JOB}\nreport: {helpUrl: "https://ci:hunter2@wiki.example.org/"}\n`,
      'sos-ci.yaml:3:19: report.helpUrl: holds a user or password; secrets do not belong in this file, and this URL is posted in public comments',
    ],
    [
      'a mistake in a value with an anchor',
      `${GERRIT}\njobs:\n  a: {project: p, testing: &t {command: x, exitCodeIsResult: true}}\n`,
      'sos-ci.yaml:3:41: jobs.a.testing.command: must be a list of program and arguments, not a single string, because it runs without a shell; write [x], or for a shell [sh, -c, "x"]',
    ],
  ])('%s', (_name, text, expected) => {
    expect(mistakes(text).join('\n')).toBe(expected);
  });

  test('a duplicate key, and the other errors of the file', () => {
    expect(mistakes(`${GERRIT}\n${GERRIT}\n${JOB}\nlgo: {}\n`)).toEqual([
      'sos-ci.yaml:2:1: this key occurs twice; keep one of the two',
      'sos-ci.yaml:4:1: lgo: unknown key; did you mean "log"?',
    ]);
  });

  test('a duplicate job name', () => {
    const job = "  acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}\n";
    expect(mistakes(`${GERRIT}\njobs:\n${job}${job}`)).toEqual([
      'sos-ci.yaml:4:3: this key occurs twice; keep one of the two',
    ]);
  });

  test('nested aliases that expand exponentially are rejected quickly', () => {
    const levels = Array.from({ length: 12 }, (_, i) => {
      const refs = Array.from({ length: 10 }, () => `*a${i}`).join(', ');
      return `a${i + 1}: &a${i + 1} [${refs}]`;
    });
    const found = mistakes(`a0: &a0 [x]\n${levels.join('\n')}\n`);
    expect(found).toHaveLength(1);
    expect(found[0]).toContain('alias');
  });

  test.each([
    'x: &x [*x]\n',
    '['.repeat(200_000),
    `${'{a: '.repeat(50_000)}`,
    'a: !!js/function x\n',
    '%YAML 9\n---\n',
  ])('hostile YAML %# is an error, not a crash', (text) => {
    expect(mistakes(text).length).toBeGreaterThan(0);
  });

  test('keys of an object prototype are unknown keys', () => {
    expect(mistakes(`${GERRIT}\n${JOB}\n__proto__: {polluted: 1}\nconstructor: 1\n`)).toEqual([
      expect.stringContaining('sos-ci.yaml:3:1: __proto__: unknown key'),
      expect.stringContaining('sos-ci.yaml:4:1: constructor: unknown key'),
    ]);
    expect(mistakes(`${GERRIT}\njobs: {__proto__: {project: p}}\n`)[0]).toContain('the name must be');
  });
});

describe('a file that cannot be read', () => {
  test.each([
    ['is missing', () => join(dir, 'none.yaml'), /none\.yaml: there is no such file; name one with --config/],
    ['is a directory', () => dir, /: is a directory, not a file; name the YAML file in it/],
    [
      'is too large',
      () => {
        writeFileSync(file, '#'.repeat(1024 * 1024 + 1));
        return file;
      },
      /: is larger than 1 MB \(1048577 bytes\)/,
    ],
    [
      'is not text',
      () => {
        writeFileSync(file, Buffer.from([0x67, 0xff, 0xfe]));
        return file;
      },
      /: is not UTF-8 text/,
    ],
    ['is a device', () => '/dev/zero', /: is not a regular file/],
  ])('%s', (_name, make, expected) => {
    expect(() => loadConfig(make())).toThrow(expected);
  });

  test('is not readable by this user, unless the user is root', () => {
    writeFileSync(file, GERRIT);
    chmodSync(file, 0o000);
    const expected = process.getuid?.() === 0 ? /jobs: is missing/ : /may not be read by this user/;
    expect(() => loadConfig(file)).toThrow(expected);
  });
});
