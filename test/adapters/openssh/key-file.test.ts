import { execFileSync } from 'node:child_process';
import { afterAll, describe, expect } from 'vitest';
import { readPrivateKey } from '../../../src/adapters/openssh/key-file.ts';
import { needs } from '../../fixtures/needs.ts';
import { keys, Site } from '../gerrit/site.ts';

const { test } = needs('ssh-keygen');

const site = new Site();
const USE = { setting: 'gerrit.key', addTo: 'in Gerrit' };
afterAll(() => site.remove());

describe('our private key', () => {
  test('is read unchanged', async () => {
    const file = site.file('good', keys.account.private, 0o600);
    expect((await readPrivateKey(file, USE)).toString()).toBe(keys.account.private);
  });

  test.each(['ed25519', 'ecdsa', 'rsa'])('of ssh-keygen is read: %s', async (type) => {
    const file = `${site.directory}/made-${type}`;
    execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', file]);
    await expect(readPrivateKey(file, USE)).resolves.toBeInstanceOf(Buffer);
  });

  test.each([
    ['missing', () => `${site.directory}/none`, 'the file does not exist', 'ssh-keygen -t ed25519'],
    ['a directory', () => site.directory, 'not a key file', 'gerrit.key'],
    ['readable by others', () => site.file('open', keys.account.private, 0o644), 'mode 644', 'chmod 600'],
    ['public', () => site.file('pub', keys.account.public, 0o600), 'public key', 'without .pub'],
    ['no key', () => site.file('text', 'hello\n', 0o600), 'no usable private key', 'OpenSSH or PEM'],
    ['empty', () => site.file('empty', '', 0o600), 'no usable private key', 'OpenSSH or PEM'],
    ['huge', () => site.file('huge', 'x'.repeat(70_000), 0o600), 'not a key file', 'gerrit.key'],
  ])('%s: reported with a hint', async (_what, make, message, hint) => {
    await expect(readPrivateKey(make(), USE)).rejects.toMatchObject({
      name: 'OperationError',
      operation: 'read private key',
      retryable: false,
      message: expect.stringContaining(message),
      hint: expect.stringContaining(hint),
    });
  });

  test.each([
    ['OpenSSH', []],
    ['PEM', ['-m', 'PEM', '-t', 'rsa', '-b', '2048']],
    ['PKCS#8', ['-m', 'PKCS8', '-t', 'rsa', '-b', '2048']],
  ])('encrypted (%s): reported with a hint', async (name, args) => {
    const file = `${site.directory}/encrypted-${name.replace('#', '')}`;
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', ...args, '-N', 'secret passphrase', '-f', file]);
    const refusal = readPrivateKey(file, USE);
    await expect(refusal).rejects.toMatchObject({ message: expect.stringContaining('passphrase') });
    await expect(refusal).rejects.not.toMatchObject({ message: expect.stringContaining('secret') });
  });
});
