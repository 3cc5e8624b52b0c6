/** Fetching with the real git from hostile repositories, which try to execute code or to write elsewhere. */
import {
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, expect } from 'vitest';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import { OperationError } from '../../../src/errors.ts';
import type { Patchset, Server } from '../../../src/machines/model/domain.ts';
import { type SourceHarness, sourceContract } from '../../contracts/source.ts';
import { needs } from '../../fixtures/needs.ts';
import { readProc } from '../../fixtures/proc.ts';
import { GitFixture } from './git-fixture.ts';

const { describe, it } = needs('git');

describe('with git', () => sourceContract('git', start));

async function start(): Promise<SourceHarness> {
  const fixture = new GitFixture();
  writeFileSync(join(fixture.work, 'only-in-first'), 'x');
  const first = fixture.patchset(1);
  rmSync(join(fixture.work, 'only-in-first'));
  writeFileSync(join(fixture.work, 'only-in-second'), 'x');
  const second = fixture.patchset(2);
  const held = async () => {
    const revision = fixture.held();
    if (revision !== null) expect(fixture.git(fixture.tree(), 'status', '--porcelain', '--ignored')).toBe('');
    return revision;
  };
  return {
    source: fixture.source(),
    server: fixture.server,
    first,
    second,
    held,
    close: async () => fixture.close(),
  };
}

describe('GitSource', () => {
  const signal = new AbortController().signal;
  let fixture: GitFixture;

  beforeEach(() => {
    fixture = new GitFixture();
  });
  afterEach(() => fixture.close());

  const fetch = (patchset: Patchset, fetchUrl?: string) =>
    fixture.source(fetchUrl).fetch(asUploaded(fixture.server, patchset), signal);
  const refusal = (patchset: Patchset, fetchUrl?: string): Promise<unknown> =>
    fetch(patchset, fetchUrl).catch((error: unknown) => error);

  it('leaves nothing of an earlier tree, tracked or not', async () => {
    const first = fixture.patchset(1);
    await fetch(first);
    mkdirSync(fixture.tree('build'));
    writeFileSync(fixture.tree('build', 'left-over'), '');
    writeFileSync(fixture.tree('.git', 'index.lock'), '');
    mkdirSync(join(fixture.server.address, `fetch-${'0'.repeat(16)}`));
    await fetch(first);
    expect(readdirSync(fixture.tree())).toEqual(['.git']);
    expect(readdirSync(fixture.server.address).sort()).toEqual(['dependencies', 'home', 'tmp', 'tree']);
  });

  it('gives the tree to the account that owns the server', async (context) => {
    if (process.getuid?.() !== 0) context.skip('only root can give files away');
    chownSync(fixture.server.address, 65_534, 65_534);
    for (const patchset of [fixture.patchset(1), fixture.patchset(2)]) {
      await fetch(patchset);
      const files = readdirSync(fixture.tree(), { recursive: true, encoding: 'utf8' });
      const owners = ['.', ...files].map((file) => lstatSync(fixture.tree(file)).uid);
      expect(new Set(owners)).toEqual(new Set([65_534]));
    }
    expect(statSync(join(fixture.server.address, 'dependencies')).uid).toBe(65_534);
  });

  it('brings the history, and a tree from which a build can read its version', async () => {
    fixture.patchset(1);
    await fetch(fixture.patchset(2));
    expect(fixture.git(fixture.tree(), 'log', '--format=%s')).toBe('patchset 2\npatchset 1');
    expect(() => fixture.git(fixture.tree(), 'symbolic-ref', '--quiet', 'HEAD')).toThrow();
  });

  it('does not execute fetched files', async () => {
    const evil = join(fixture.root, 'evil');
    writeFileSync(
      join(fixture.work, '.gitattributes'),
      '* filter=lfs diff=evil merge=evil\n*.txt filter=evil ident\n',
    );
    writeFileSync(join(fixture.work, 'a.txt'), 'raw\n');
    writeFileSync(join(fixture.work, '.lfsconfig'), `[lfs]\n\turl = file://${evil}\n`);
    writeFileSync(join(fixture.work, '.gitconfig'), `[core]\n\tfsmonitor = touch ${evil}\n`);
    writeFileSync(
      join(fixture.work, '.gitmodules'),
      `[submodule "m"]\n\tpath = m\n\turl = ext::sh -c touch% ${evil}\n`,
    );
    mkdirSync(join(fixture.work, 'hooks'));
    writeFileSync(join(fixture.work, 'hooks', 'post-checkout'), `#!/bin/sh\ntouch ${evil}\n`, {
      mode: 0o755,
    });
    mkdirSync(join(fixture.work, 'm'));
    fixture.git(fixture.work, 'update-index', '--add', '--cacheinfo', `160000,${'1'.repeat(40)},m`);
    const configuration = `[filter "evil"]\n\tsmudge = touch ${evil}\n[core]\n\thooksPath = hooks\n[url "ext::sh -c touch% ${evil}"]\n\tinsteadOf = file://\n`;
    // As if the operator or the host had configured git so that this works.
    writeFileSync(join(fixture.server.address, 'home', '.gitconfig'), configuration);
    writeFileSync(join(fixture.root, '.gitconfig'), configuration);
    const patchset = fixture.patchset(1);
    const home = process.env.HOME;
    Object.assign(process.env, {
      HOME: fixture.root,
      GIT_CONFIG_GLOBAL: join(fixture.root, '.gitconfig'),
      GIT_EXTERNAL_DIFF: 'false',
    });
    try {
      expect(await fetch(patchset)).toBe(patchset.revision);
    } finally {
      Object.assign(process.env, { HOME: home });
      delete process.env.GIT_CONFIG_GLOBAL;
      delete process.env.GIT_EXTERNAL_DIFF;
    }
    expect(existsSync(evil)).toBe(false);
    expect(readFileSync(fixture.tree('a.txt'), 'utf8')).toBe('raw\n');
    expect(readdirSync(fixture.tree('m'))).toEqual([]);
    expect(existsSync(fixture.tree('.git', 'hooks'))).toBe(false);
  });

  it('writes nothing through a link that the patchset brings', async () => {
    const outside = join(fixture.root, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, join(fixture.work, 'link'));
    const first = fixture.patchset(1);
    rmSync(join(fixture.work, 'link'));
    mkdirSync(join(fixture.work, 'link'));
    writeFileSync(join(fixture.work, 'link', 'file'), 'x');
    const second = fixture.patchset(2);
    await fetch(first);
    await fetch(second);
    expect(readFileSync(fixture.tree('link', 'file'), 'utf8')).toBe('x');
    symlinkSync(outside, join(fixture.server.address, 'was'));
    rmSync(fixture.tree(), { recursive: true });
    symlinkSync(outside, fixture.tree());
    writeFileSync(join(outside, 'precious'), '');
    await fetch(second);
    expect(readdirSync(outside)).toEqual(['precious']);
  });

  it('refuses a commit other than the one that Gerrit named', async () => {
    const first = fixture.patchset(1);
    const second = fixture.patchset(2);
    const error = await refusal({ ...second, revision: first.revision });
    expect(error).toMatchObject({ name: 'OperationError', retryable: false });
    expect(error).toHaveProperty(
      'message',
      `Gerrit reported ${first.revision}, the ref points to ${second.revision}`,
    );
    expect(fixture.held()).toBeNull();
    expect(readdirSync(fixture.server.address).sort()).toEqual(['home', 'tmp', 'tree']);
  });

  it.each<[string, Partial<Patchset>]>([
    ['a ref that is an option', { ref: '--upload-pack=touch evil' }],
    ['a ref of another kind', { ref: 'refs/heads/master' }],
    ['a ref with more in it', { ref: 'refs/changes/01/1/1:refs/heads/x' }],
    ['a revision that is a name', { revision: 'HEAD' }],
    ['a project outside the directory', { project: '../../etc' }],
    ['a project that is an option', { project: '--upload-pack=x' }],
    ['a project with a space', { project: 'a b' }],
    ['an empty project', { project: '' }],
  ])('refuses %s', async (_what, change) => {
    const error = await refusal({ ...fixture.patchset(1), ...change });
    expect(error).toBeInstanceOf(OperationError);
    expect(error).toHaveProperty('retryable', false);
  });

  it.each([
    ['ext::sh -c touch% evil {project}'],
    ['git://review.example.org/{project}'],
    ['/srv/git/{project}'],
    ['https://user:secret@review.example.org/{project}'],
  ])('refuses to fetch from %s', async (fetchUrl) => {
    const error = await refusal(fixture.patchset(1), fetchUrl);
    expect(error).toMatchObject({ name: 'OperationError', retryable: false });
    expect(JSON.stringify(error)).not.toContain('secret');
  });

  it("reports git's message and a hint when the ref or the repository does not exist", async () => {
    const patchset = fixture.patchset(1);
    const error = await refusal({ ...patchset, ref: 'refs/changes/99/99/9' });
    expect(error).toMatchObject({ name: 'OperationError', retryable: true, operation: 'fetch patchset' });
    expect(error).toHaveProperty('message', expect.stringContaining('refs/changes/99/99/9'));
    expect(error).toHaveProperty('hint', expect.stringContaining('git ls-remote file://'));
    expect(await refusal({ ...patchset, project: 'no/such' })).toHaveProperty('retryable', true);
    const missing = { ...fixture.server, address: join(fixture.root, 'gone') };
    await expect(fixture.source().fetch(asUploaded(missing, patchset), signal)).rejects.toBeInstanceOf(
      OperationError,
    );
  });

  it('connects through ssh with only our key and known hosts', async () => {
    const patchset = fixture.patchset(1);
    const argumentsFile = join(fixture.root, 'ssh-arguments');
    fixture.program(
      'ssh',
      `printf '%s\\n' "$@" >${argumentsFile}; env >${argumentsFile}.env; exec git-upload-pack ${fixture.bare}`,
    );
    expect(await fetch(patchset, 'ssh://acme-ci@review.example.org:29418/{project}')).toBe(patchset.revision);
    const sshArguments = readFileSync(argumentsFile, 'utf8').trim().split('\n');
    const options = sshArguments.filter((_word, index) => sshArguments[index - 1] === '-o');
    expect(sshArguments.slice(0, 2)).toEqual(['-F', '/dev/null']);
    expect(options).toContain('IdentityFile="/etc/a key\'s/id 100%%"');
    expect(options).toContain('UserKnownHostsFile="/etc/known hosts"');
    for (const option of [
      'BatchMode=yes',
      'IdentitiesOnly=yes',
      'StrictHostKeyChecking=yes',
      'IdentityAgent=none',
    ]) {
      expect(options).toContain(option);
    }
    expect(sshArguments.slice(-2)).toEqual([
      'acme-ci@review.example.org',
      "git-upload-pack '/openstack/cinder'",
    ]);
    expect(sshArguments[sshArguments.indexOf('-p') + 1]).toBe('29418');
    expect(readFileSync(`${argumentsFile}.env`, 'utf8')).not.toMatch(/SSH_AUTH_SOCK/);
    expect(await fetch(patchset, undefined).then(() => fixture.held())).toBe(patchset.revision);
  });

  it('kills git and its children on abort', async () => {
    const patchset = fixture.patchset(1);
    const started = join(fixture.root, 'ssh-pid');
    fixture.program('ssh', `echo $$ >${started}.part; mv ${started}.part ${started}; exec sleep 3600`);
    const abort = new AbortController();
    const fetching = fixture
      .source(null)
      .fetch(asUploaded(fixture.server, patchset), abort.signal)
      .catch((error: unknown) => error);
    while (!existsSync(started)) await setTimeout(20);
    const pid = Number(readFileSync(started, 'utf8'));
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8');
    expect(environment).toContain(`SOS_CI_SERVER=${fixture.server.id}`);
    abort.abort();
    expect(await fetching).toMatchObject({ name: 'OperationError', retryable: true });
    while (isRunning(pid)) await setTimeout(20);
    expect(readdirSync(fixture.server.address).sort()).toEqual(['home', 'tmp', 'tree']);
  });

  it('reports a missing program', async () => {
    const patchset = fixture.patchset(1);
    mkdirSync(join(fixture.root, 'empty'));
    process.env.PATH = join(fixture.root, 'empty');
    const hint = 'apt-get install git openssh-client';
    const message = (name: string) => `the program ${name} is not installed`;
    expect(await refusal(patchset)).toMatchObject({ message: message('git'), hint, retryable: false });
    expect(await refusal(patchset, 'ssh://u@h/{project}')).toMatchObject({ message: message('ssh'), hint });
  });
});

function asUploaded(server: Server, patchset: Patchset): EffectOf<'fetchPatchset'> {
  return { type: 'fetchPatchset', key: 'fetch', server, patchset, trees: [], timeoutMs: 60_000 };
}

function isRunning(pid: number): boolean {
  return /^State:\t[^Z]/m.test(readProc(pid, 'status'));
}
