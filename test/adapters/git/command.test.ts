/** How failures of git are classified. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { GitFailed, git, TooManyConnections } from '../../../src/adapters/git/command.ts';
import { needs } from '../../fixtures/needs.ts';

const { test } = needs('git');

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-git-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Runs git against a server over an ssh that prints this and fails. */
function ask(stderr: string): Promise<string> {
  const ssh = join(directory, 'ssh');
  writeFileSync(ssh, `#!/bin/sh\ncat >&2 <<'SAID'\n${stderr}\nSAID\nexit 255\n`, { mode: 0o700 });
  return git({
    operation: 'fetch patchset',
    target: 'p',
    hint: 'look',
    cwd: directory,
    argv: ['ls-remote', '--', 'ssh://ci@127.0.0.1:29418/p'],
    protocol: 'ssh',
    environment: { GIT_SSH_COMMAND: ssh },
    signal: new AbortController().signal,
  });
}

test('a server that accepts no more connections: not an error of the repository', async () => {
  const refused = ask(
    'Received disconnect from 127.0.0.1 port 29418:12: Too many concurrent connections (2) - max. allowed: 2',
  );
  await expect(refused).rejects.toBeInstanceOf(TooManyConnections);
  await expect(refused).rejects.not.toBeInstanceOf(GitFailed);
  await expect(refused).rejects.toMatchObject({
    message:
      'Gerrit refuses one more connection of this account: Too many concurrent connections (2) - max. allowed: 2',
    hint: expect.stringContaining('sshd.maxConnectionsPerUser'),
  });
});

test.each([
  'Received disconnect from 127.0.0.1 port 29418:2: Too many authentication failures',
  'remote: Received disconnect from 127.0.0.1 port 29418:12: said by a hook',
])('anything else is a failure of git: %s', async (stderr) => {
  await expect(ask(stderr)).rejects.toBeInstanceOf(GitFailed);
});
