import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Beginning } from '../../src/beginning.ts';
import type { Asking } from '../../src/cli/ask.ts';
import { CliError } from '../../src/cli/exit.ts';
import { initCommand } from '../../src/cli/init.ts';
import type { InitFlags } from '../../src/cli/init-answers.ts';
import { loadConfig } from '../../src/config/load.ts';
import { OperationError } from '../../src/errors.ts';
import { type FakeIo, fakeIo } from '../fakes/io.ts';

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

const outside: Beginning = {
  makeKey: async (path, comment) => {
    writeFileSync(path, 'private', { flag: 'wx', mode: 0o600 });
    return `ssh-ed25519 AAAA${comment.length} ${comment}`;
  },
  publicHalf: (path) => `the public half of ${path}`,
  hostKey: async () => ({ key: Buffer.from('key'), type: 'ssh-ed25519', fingerprint: FINGERPRINT }),
  pin: (path, { host, port }) => {
    pins.push(`${path} ${host}:${port}`);
    return 'pinned';
  },
};

/** Answers in their order; what was asked is kept. */
function typing(...answers: string[]): Asking & { readonly asked: string[] } {
  const asked: string[] = [];
  return {
    asked,
    ask: async (question) => {
      asked.push(question);
      const answer = answers.shift();
      if (answer === undefined) throw new Error(`nobody answers: ${question}`);
      return answer;
    },
    close: () => {},
  };
}

const init = (flags: InitFlags, asking: Asking | null = null, other: Partial<Beginning> = {}) =>
  initCommand(io, file, flags, asking, { ...outside, ...other });
const shown = (text: string) =>
  text.replaceAll(dir, '/DIR').replace(/acme-ci-[0-9a-hjkmnp-tv-z]{8}/g, 'acme-ci-XXXXXXXX');
const FLAGS: InitFlags = { user: 'acme-ci', node: 'stack@node1.acme.example' };

async function refusal(work: Promise<number>): Promise<CliError> {
  const error = await work.then(
    () => null,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof CliError)) throw error;
  return error;
}

describe('init with flags', () => {
  test('writes what a first run needs, and says what comes next', async () => {
    expect(await init({ ...FLAGS, acceptHostKey: FINGERPRINT })).toBe(0);
    await expect(shown(readFileSync(file, 'utf8'))).toMatchFileSnapshot('../golden/init.yaml');
    await expect(shown(io.stdout())).toMatchFileSnapshot('../golden/init.txt');
    expect(pins).toEqual([`${join(dir, 'known_hosts')} review.opendev.org:29418`]);
    expect(existsSync(join(dir, 'gerrit-key'))).toBe(true);
    expect(existsSync(join(dir, 'node-key'))).toBe(true);
  });

  test('writes a file that is right, each time with a deployment of its own', async () => {
    await init(FLAGS);
    const first = loadConfig(file);
    expect(first).toMatchObject({
      gerrit: {
        host: 'review.opendev.org',
        port: 29418,
        user: 'acme-ci',
        knownHostsFile: join(dir, 'known_hosts'),
      },
      report: { label: null },
      providers: [{ type: 'static', hosts: [{ host: 'node1.acme.example', port: 22, user: 'stack' }] }],
    });
    rmSync(file);
    await init(FLAGS);
    expect(loadConfig(file).deployment).not.toBe(first.deployment);
  });

  test.each([
    [{}, '--user is missing'],
    [{ user: 'acme-ci' }, '--node is missing'],
    [{ user: 'acme ci', node: 'a@b' }, '--user: it must be one word'],
    [{ user: '../x', node: 'a@b' }, '--user: it must be letters'],
    [{ ...FLAGS, host: 'https://x' }, '--host: it must be the host name alone'],
    [{ ...FLAGS, project: 'openstack/*' }, '--project: it must be the name of one project'],
    [{ ...FLAGS, wiki: 'nowhere' }, '--wiki: it must be an address'],
    [{ ...FLAGS, node: 'node1' }, '--node: it is no USER@HOST'],
    [{ ...FLAGS, job: 'a b' }, '--job: it has a space'],
  ])('%j is refused, and nothing is written: %s', async (flags, message) => {
    const error = await refusal(init(flags));
    expect(error.message).toContain(message);
    expect(error.exitCode).toBe(2);
    expect(existsSync(file)).toBe(false);
    expect(existsSync(join(dir, 'gerrit-key'))).toBe(false);
  });

  test('runs jobs on this host only where that is said, or nobody else can upload', async () => {
    await init({ user: 'acme-ci', allowUntrustedCode: true });
    expect(loadConfig(file).providers).toMatchObject([{ type: 'local', allowUntrustedCode: true }]);
    rmSync(file);
    await init({ user: 'acme-ci', host: '127.0.0.1' });
    expect(loadConfig(file).providers).toMatchObject([{ type: 'local' }]);
  });

  test('overwrites nothing: neither a configuration nor a key', async () => {
    writeFileSync(join(dir, 'gerrit-key'), 'mine', { mode: 0o600 });
    await init({ user: 'acme-ci', host: '127.0.0.1' });
    expect(readFileSync(join(dir, 'gerrit-key'), 'utf8')).toBe('mine');
    expect(shown(io.stdout())).toContain('the public half of /DIR/gerrit-key');
    const before = readFileSync(file, 'utf8');
    expect((await refusal(init(FLAGS))).message).toContain('is there already');
    expect(readFileSync(file, 'utf8')).toBe(before);
  });

  test('whatever is typed stays text', async () => {
    const wiki = 'https://wiki.example.org/?q="x": {y: !!js}#z';
    await init({ ...FLAGS, wiki: encodeURI(wiki), project: 'a/b#c' });
    expect(loadConfig(file).report.wiki).toBe(encodeURI(wiki));
  });
});

describe('the host key', () => {
  test.each([
    ['without a word for it', FLAGS, null],
    ['with another fingerprint', { ...FLAGS, acceptHostKey: 'SHA256:other' }, null],
    ['after a no', FLAGS, ['', '', 'y']],
  ])('is not pinned %s: said, and exit code 1', async (_what, flags, answers) => {
    const asking = answers === null ? null : typing(...answers);
    expect(await init(flags, asking)).toBe(1);
    expect(pins).toEqual([]);
    expect(io.stderr()).toContain(FINGERPRINT);
    expect(io.stdout()).toContain('ssh-keyscan -p 29418 review.opendev.org');
    expect(existsSync(file)).toBe(true);
  });

  test('of a server that can not be reached is told how to be pinned later', async () => {
    const away = new OperationError({
      operation: 'ask for host key',
      target: 'x',
      message: 'x shows no host key: ECONNREFUSED',
      retryable: true,
      hint: '',
    });
    expect(await init(FLAGS, null, { hostKey: () => Promise.reject(away) })).toBe(1);
    expect(io.stderr()).toBe('x shows no host key: ECONNREFUSED\n');
    expect(io.stdout()).toContain('ssh-keyscan');
  });
});

describe('init on a terminal', () => {
  test('asks for what was not given, takes what is usual for an empty answer, and pins on a yes', async () => {
    const asking = typing('', 'acme-ci', '', '', 'stack@node1', 'yes');
    expect(await init({}, asking)).toBe(0);
    expect(asking.asked).toEqual([
      'Gerrit server [review.opendev.org]: ',
      "the CI account's user name there: ",
      'project to begin with [opendev/ci-sandbox]: ',
      "the CI's page, how to rerun and whom to ask (empty: later): ",
      'host that runs the jobs, by SSH: USER@HOST: ',
      "Is that what the server's operator says? Type yes to trust it: ",
    ]);
    expect(pins).toHaveLength(1);
    expect(loadConfig(file).jobs).toMatchObject([{ spec: { name: 'acme-ci-sandbox' } }]);
  });

  test('asks again until an answer is right', async () => {
    const asking = typing('', '', 'acme ci', 'acme-ci', '', '', 'node1', 'stack@node1', 'yes');
    expect(await init({}, asking)).toBe(0);
    expect(asking.asked[2]).toContain('it is needed');
    expect(asking.asked[3]).toContain('it must be one word');
    expect(asking.asked[7]).toContain('it is no USER@HOST');
  });
});
