import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { KeyProvisioner } from '../../../src/app/provision-keys.ts';
import { initCommand } from '../../../src/cli/commands/init.ts';
import type { InitFlags } from '../../../src/cli/commands/init-answers.ts';
import type { Prompt } from '../../../src/cli/input/prompt.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { OperationError } from '../../../src/errors.ts';
import { type FakeIo, fakeIo } from '../../fakes/io.ts';

const FINGERPRINT = 'SHA256:RXNvd6nUkxwmkZKdxKdJUvTJvvQ8h5dHkcjZlbgkJ3s';
let dir: string;
let file: string;
let io: FakeIo;
let pins: string[];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-init-'));
  file = join(dir, 'sos-ci.yaml');
  io = fakeIo();
  pins = [];
});
afterEach(() => rmSync(dir, { recursive: true }));

const fakeProvisioner: KeyProvisioner = {
  makeKey: async (path, comment) => {
    writeFileSync(path, comment, { flag: 'wx', mode: 0o600 });
  },
  publicKey: async (path) => `the public half of ${path}`,
  hostKey: async ({ host, port }) => ({
    key: Buffer.from('key'),
    type: 'ssh-ed25519',
    fingerprint: FINGERPRINT,
    line: `[${host}]:${port} ssh-ed25519 a2V5`,
  }),
  pin: (path, { host, port }) => {
    pins.push(`${path} ${host}:${port}`);
    return 'pinned';
  },
};

/** A prompt that gives these answers in order, and records the questions. */
function fakePrompt(...answers: string[]): Prompt & { readonly questions: string[] } {
  const questions: string[] = [];
  return {
    questions,
    ask: async (question) => {
      questions.push(question);
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`no answer left for: ${question}`);
      return answer;
    },
    close: () => {},
  };
}

const init = (flags: InitFlags, prompt: Prompt | null = null, other: Partial<KeyProvisioner> = {}) =>
  initCommand(io, dir, flags, prompt, { ...fakeProvisioner, ...other });
const shown = (text: string) =>
  text.replaceAll(dir, '/DIR').replace(/acme-ci-[0-9a-hjkmnp-tv-z]{8}/g, 'acme-ci-XXXXXXXX');
const FLAGS: InitFlags = { yes: true, user: 'acme-ci', node: 'stack@node1.acme.example' };
const ACCEPTED: InitFlags = { ...FLAGS, acceptHostKey: FINGERPRINT, acceptNodeKey: FINGERPRINT };

async function rejection(work: Promise<number>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CliError)) throw error;
  return error;
}

describe('init with a cloud', () => {
  const clouds = (text: string) => {
    writeFileSync(join(dir, 'clouds.yaml'), text, { mode: 0o600 });
    process.env.OS_CLIENT_CONFIG_FILE = join(dir, 'clouds.yaml');
  };
  afterEach(() => {
    delete process.env.OS_CLIENT_CONFIG_FILE;
  });
  const AUTH =
    'auth: {auth_url: http://192.0.2.1/identity, username: demo, password: nomoresecret, project_name: demo, user_domain_id: default, project_domain_id: default}';
  const CLOUD: InitFlags = { yes: true, user: 'acme-ci', cloud: 'devstack', acceptHostKey: FINGERPRINT };

  test('writes an OpenStack provider without a secret, and names the command that tests it', async () => {
    clouds(`clouds: {devstack: {${AUTH}, region_name: RegionOne}}\n`);
    expect(await init({ ...CLOUD, image: 'debian-12' })).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).not.toContain('nomoresecret');
    expect(loadConfig(file).providers).toMatchObject([
      {
        type: 'openstack',
        name: 'nodes',
        cloud: 'devstack',
        image: 'debian-12',
        flavor: 'm1.large',
        networks: ['private'],
      },
    ]);
    expect(io.stdout()).toContain('sos-ci boot-test nodes');
    expect(io.stdout()).not.toContain('authorized_keys');
  });

  test('writes nothing when the cloud is unknown', async () => {
    clouds(`clouds: {devstack: {${AUTH}}}\n`);
    await expect(init({ ...CLOUD, cloud: 'lab' })).rejects.toThrow(/lab/);
    expect(existsSync(file)).toBe(false);
  });

  test('rejects a node in addition to the cloud', async () => {
    expect((await rejection(init({ ...CLOUD, node: 'stack@node1' }))).message).toContain(
      'are mutually exclusive',
    );
  });

  test.each([
    ['is missing', {}, '--cloud is missing and has no default'],
    ['is in no clouds.yaml', { cloud: 'lab' }, '--cloud: it cannot be used: '],
  ])('names --openrc when the cloud %s', async (_what, cloud, message) => {
    clouds(`clouds: {devstack: {${AUTH}}}\n`);
    const error = await rejection(init({ yes: true, user: 'acme-ci', kind: 'openstack', ...cloud }));
    expect(error.message).toContain(message);
    expect(error.hint).toMatch(/or give an openrc file: --openrc FILE$/);
    expect(error.exitCode).toBe(2);
  });
});

describe('init with an openrc file', () => {
  const OPENRC = `export OS_AUTH_URL=http://127.0.0.1:9/identity OS_USERNAME=demo OS_PROJECT_NAME=demo
export OS_PASSWORD='nomoresecret'
`;
  const FLAGS: InitFlags = { yes: true, user: 'acme-ci', acceptHostKey: FINGERPRINT };
  let openrc: string;

  beforeEach(() => {
    openrc = join(dir, 'lab openrc.sh');
    writeFileSync(openrc, OPENRC, { mode: 0o600 });
  });

  test('writes its absolute path into the provider, and nothing of its content', async () => {
    const given = relative(process.cwd(), openrc);
    expect(await init({ ...FLAGS, openrc: given, image: 'debian-12', network: 'lab-net' })).toBe(0);
    const text = readFileSync(file, 'utf8');
    expect(text).toContain(`    openrc: ${JSON.stringify(openrc)}\n`);
    expect(text).not.toMatch(/nomoresecret|127\.0\.0\.1|cloud:/);
    expect(loadConfig(file).providers).toMatchObject([
      {
        type: 'openstack',
        name: 'nodes',
        cloud: null,
        openrcFile: openrc,
        image: 'debian-12',
        networks: ['lab-net'],
      },
    ]);
    expect(io.stdout()).toContain('sos-ci boot-test nodes');
    expect(io.stdout()).not.toContain('ansible');
  });

  test('with a driver, comes with the steps that a job with DevStack needs, in their order', async () => {
    await init({ ...FLAGS, openrc, driver: 'cinder.volume.drivers.acme.AcmeDriver' });
    expect(io.stdout()).toMatch(
      /edit the job: the back end's options.*sos-ci setup ansible\n.*sos-ci doctor\n.*sos-ci boot-test nodes\n/s,
    );
  });

  test('asks for no edit of a job with all options', async () => {
    const driver = 'cinder.volume.drivers.acme.AcmeDriver';
    await init({ ...FLAGS, openrc, driver, driverOption: ['san_ip=192.0.2.10'] });
    expect(io.stdout()).not.toContain('edit the job');
    rmSync(file);
    await init({ ...FLAGS, openrc, driver, driverOption: ['san_password={{ acme_password }}'] });
    expect(io.stdout()).toContain('edit the job: the file with the passwords');
  });

  test('refuses a file that is missing or cannot be used, and writes nothing', async () => {
    const missing = await rejection(init({ ...FLAGS, openrc: join(dir, 'none') }));
    expect(missing.message).toMatch(/^--openrc: it cannot be used: .*\/none cannot be read: /);
    expect(missing.exitCode).toBe(2);
    writeFileSync(openrc, `${OPENRC}read -sr OS_PASSWORD_INPUT\n`);
    const prompting = await rejection(init({ ...FLAGS, openrc }));
    expect(prompting.message).toContain(`${openrc}:3 prompts for a password`);
    expect(prompting.hint).toContain('application credential');
    expect(existsSync(file)).toBe(false);
  });

  test.each([{}, { kind: 'openstack' }])('rejects a cloud in addition to the file, with %j', async (kind) => {
    const error = await rejection(init({ ...FLAGS, ...kind, openrc, cloud: 'devstack' }));
    expect(error.message).toContain('--cloud, --openrc');
    expect(error.message).toContain('are mutually exclusive');
    expect(error.exitCode).toBe(2);
  });

  test('is asked for when no cloud is named, until it can be used', async () => {
    const prompt = fakePrompt('unknown', '', join(dir, 'none'), openrc, '', '', '', '', 'yes');
    const given = { host: 'g', port: 1, user: 'acme-ci', name: 'n', wiki: '-', project: 'p' };
    process.env.OS_CLIENT_CONFIG_FILE = join(dir, 'no-clouds.yaml');
    try {
      expect(await init({ ...given, kind: 'openstack' }, prompt)).toBe(0);
    } finally {
      delete process.env.OS_CLIENT_CONFIG_FILE;
    }
    expect(prompt.questions[0]).toBe('the cloud, as it is named in clouds.yaml [none: use an openrc file]: ');
    expect(prompt.questions[1]).toContain('no-clouds.yaml does not exist');
    expect(prompt.questions[2]).toBe('the openrc file: ');
    expect(prompt.questions[3]).toContain('none cannot be read');
    expect(loadConfig(file).providers).toMatchObject([{ cloud: null, openrcFile: openrc }]);
  });
});

describe('init with flags', () => {
  test('writes the files for a first run, and prints the next steps', async () => {
    expect(await init(ACCEPTED)).toBe(0);
    await expect(shown(readFileSync(file, 'utf8'))).toMatchFileSnapshot('../../golden/init.yaml');
    await expect(shown(io.stdout())).toMatchFileSnapshot('../../golden/init.txt');
    expect(pins).toEqual([
      `${join(dir, 'known_hosts')} review.opendev.org:29418`,
      `${join(dir, 'known_hosts')} node1.acme.example:22`,
    ]);
    expect(readdirSync(dir).sort()).toEqual(['gerrit-key', 'node-key', 'sos-ci.yaml']);
  });

  test('writes a valid file, each time with a new deployment id', async () => {
    await init(FLAGS);
    const first = loadConfig(file);
    expect(first).toMatchObject({
      gerrit: {
        host: 'review.opendev.org',
        port: 29418,
        user: 'acme-ci',
        knownHostsFile: join(dir, 'known_hosts'),
      },
      report: { label: null, helpUrl: 'https://wiki.openstack.org/wiki/ThirdPartySystems/Acme_CI' },
      providers: [
        {
          type: 'static',
          ssh: { knownHostsFile: join(dir, 'known_hosts') },
          hosts: [{ host: 'node1.acme.example', port: 22, user: 'stack' }],
        },
      ],
    });
    rmSync(file);
    await init(FLAGS);
    expect(loadConfig(file).deployment).not.toBe(first.deployment);
  });

  test.each([
    [{ user: 'acme-ci' }, 'init needs a terminal, or --yes with options'],
    [{ yes: true }, '--user is missing'],
    [{ yes: true, user: 'acme-ci' }, '--node is missing'],
    [{ yes: true, user: 'acme-ci', kind: 'local' }, '--allow-untrusted-code is missing'],
    [{ yes: true, user: 'acme-ci', kind: 'cloud' }, '--kind: it must be one of local, static, command'],
    [{ yes: true, user: 'acme-ci', host: 'gerrit.example.org', node: 'a@b' }, '--project is missing'],
    [{ yes: true, user: 'acme ci', node: 'a@b' }, '--user: it must be one word'],
    [{ yes: true, user: '../x', node: 'a@b' }, '--user: it must begin with a letter'],
    [{ ...FLAGS, host: 'https://x' }, '--host: it must be the host name alone'],
    [{ ...FLAGS, port: 70000 }, '--port: it must be a number from 1 to 65535'],
    [{ ...FLAGS, name: 'a\u0007' }, '--name: it must be a name'],
    [{ ...FLAGS, project: 'openstack/*' }, '--project: it must be the name of one project'],
    [{ ...FLAGS, wiki: 'nowhere' }, '--wiki: it must be an address'],
    [{ ...FLAGS, node: 'node1' }, '--node: it is not USER@HOST'],
    [{ ...FLAGS, job: 'a b' }, '--job: it has a space'],
    [
      { ...FLAGS, program: './nodes' },
      '--node, --program, --cloud, --openrc and --allow-untrusted-code are mutually exclusive',
    ],
  ])('%j is rejected, and nothing is written: %s', async (flags, message) => {
    const error = await rejection(init(flags));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('runs jobs on this host only with an option, or if no one else can upload', async () => {
    await init({ yes: true, user: 'acme-ci', allowUntrustedCode: true });
    expect(loadConfig(file).providers).toMatchObject([{ type: 'local', allowUntrustedCode: true }]);
    rmSync(file);
    await init({ yes: true, user: 'acme-ci', host: '127.0.0.1', project: 'p' });
    expect(readFileSync(file, 'utf8')).toContain('# rest: {url: "http://127.0.0.1:PORT"');
    expect(loadConfig(file).providers).toMatchObject([{ type: 'local', allowUntrustedCode: false }]);
  });

  test('accepts a program that creates servers', async () => {
    await init({ yes: true, user: 'acme-ci', program: '/opt/nodes', nodeUser: 'ubuntu' });
    expect(loadConfig(file).providers).toMatchObject([
      { type: 'command', list: ['/opt/nodes', 'list'], node: { user: 'ubuntu' } },
    ]);
    expect(io.stdout()).toContain('~/.ssh/authorized_keys of ubuntu on each server');
  });

  test('overwrites nothing: neither a configuration nor a key', async () => {
    writeFileSync(join(dir, 'gerrit-key'), 'mine', { mode: 0o600 });
    await init(FLAGS);
    expect(readFileSync(join(dir, 'gerrit-key'), 'utf8')).toBe('mine');
    expect(shown(io.stdout())).toContain('the public half of /DIR/gerrit-key');
    const before = readFileSync(file, 'utf8');
    expect((await rejection(init(FLAGS))).message).toContain('init never overwrites a file');
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  test('treats any input as text', async () => {
    const wiki = 'https://wiki.example.org/?q="x": {y: !!js}#z';
    await init({ ...FLAGS, wiki: encodeURI(wiki), name: 'A "#{: CI', project: 'a/b#c' });
    expect(loadConfig(file)).toMatchObject({ report: { helpUrl: encodeURI(wiki) } });
    expect(loadConfig(file).triggers).toMatchObject({ name: 'A "#{: CI' });
  });
});

describe('the host key', () => {
  test('that differs from the given one gives no command that pins it', async () => {
    const flags = { ...FLAGS, acceptHostKey: 'SHA256:other', acceptNodeKey: 'SHA256:another' };
    expect(await init(flags)).toBe(1);
    expect(pins).toEqual([]);
    expect(io.stdout()).toContain(
      `ask the operator of review.opendev.org why its host key is ${FINGERPRINT} and not SHA256:other`,
    );
    expect(io.stdout()).not.toMatch(/known_hosts|ssh-keyscan|a2V5/);
  });

  test.each([
    ['without an option', FLAGS, null],
    ['after a no', FLAGS, ['y', '']],
  ])('is not pinned %s: reported, and exit code 1', async (_what, flags, answers) => {
    const prompt = answers === null ? null : fakePrompt(...answers);
    expect(await init(flags, prompt)).toBe(1);
    expect(pins).toEqual([]);
    expect(io.stdout()).toContain(FINGERPRINT);
    expect(io.stderr()).toMatch(/^Everything is written\. Exit code 1 only says .*\n$/m);
    expect(io.stdout()).toContain("echo '[review.opendev.org]:29418 ssh-ed25519 a2V5' >> ./known_hosts");
    expect(io.stdout()).toContain("echo '[node1.acme.example]:22 ssh-ed25519 a2V5' >> ./known_hosts");
    expect(io.stdout()).not.toContain('ssh-keyscan');
    expect(existsSync(file)).toBe(true);
  });

  test('of an unreachable server gives a command that pins it later', async () => {
    const unreachable = new OperationError({
      operation: 'read host key',
      target: 'x',
      message: 'x shows no host key: ECONNREFUSED',
      retryable: true,
      hint: '',
    });
    const flags = { yes: true, user: 'acme-ci', allowUntrustedCode: true };
    expect(await init(flags, null, { hostKey: () => Promise.reject(unreachable) })).toBe(1);
    expect(io.stderr()).toContain('x shows no host key: ECONNREFUSED\n');
    expect(io.stdout()).toContain(
      'ssh-keyscan -p 29418 review.opendev.org > host-key && ssh-keygen -lf host-key',
    );
  });
});

describe('init on a terminal', () => {
  test('prompts for missing values, uses the default for an empty answer, and pins on a yes', async () => {
    const prompt = fakePrompt('', '', 'acme-ci', '', '', '', '', 'stack@node1', 'yes', 'yes');
    expect(await init({}, prompt)).toBe(0);
    expect(prompt.questions).toEqual([
      'Gerrit server [review.opendev.org]: ',
      'SSH port of Gerrit [29418]: ',
      "user name of the CI's account: ",
      "display name of the CI's account [Acme CI]: ",
      'wiki page of the CI: how to rerun, whom to contact (- for none yet) [https://wiki.openstack.org/wiki/ThirdPartySystems/Acme_CI]: ',
      'the first project [opendev/ci-sandbox]: ',
      'where jobs run: local (this host), static (a host over SSH), command (servers that your own program creates), openstack (servers in a cloud) [static]: ',
      'the host that runs jobs: USER@HOST or USER@HOST:PORT: ',
      "Does it match the fingerprint that the server's operator published? Type yes to trust it: ",
      "Does it match the fingerprint that the server's operator published? Type yes to trust it: ",
    ]);
    expect(pins).toHaveLength(2);
    expect(loadConfig(file).jobs).toMatchObject([{ spec: { name: 'acme-ci-first' } }]);
  });

  test('repeats a question until the answer is valid', async () => {
    const answers = ['', '', 'acme ci', 'acme-ci', '', '-', '', 'node1', 'stack@node1', 'yes', 'yes'];
    const prompt = fakePrompt('', '', ...answers.slice(1, 7), 'static', ...answers.slice(7));
    expect(await init({}, prompt)).toBe(0);
    expect(prompt.questions[3]).toContain('it is required');
    expect(prompt.questions[4]).toContain('it must be one word');
    expect(prompt.questions.at(-3)).toContain('it is not USER@HOST');
    expect(loadConfig(file).report.helpUrl).toBe('');
  });

  test('runs no code on this host without a yes', async () => {
    const prompt = fakePrompt('y', 'yes', 'yes');
    const given = { host: 'g', port: 1, user: 'acme-ci', name: 'n', wiki: '-', project: 'p', kind: 'local' };
    expect(await init(given, prompt)).toBe(0);
    expect(prompt.questions[1]).toContain('it must be yes');
    expect(loadConfig(file).providers).toMatchObject([{ allowUntrustedCode: true }]);
  });
});
