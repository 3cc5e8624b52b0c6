import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, expect, test } from 'vitest';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { runs } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';

const directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-keys-'));
afterEach(() => rmSync(directory, { recursive: true, force: true }));

needs('ssh-keygen').test('OpenSSH reads the private key and derives the public key from it', () => {
  const { privateKey, publicKey } = makeKeyPair('someone');
  const file = path.join(directory, 'key');
  writeFileSync(file, privateKey, { mode: 0o600 });
  expect(execFileSync('ssh-keygen', ['-y', '-f', file]).toString().trim()).toBe(publicKey);
});

test('ssh2 reads a thousand key pairs', () => {
  const text = Buffer.from('signed');
  for (let i = 0; i < runs(1000); i += 1) {
    const pair = makeKeyPair('many');
    const [secret, open] = [ssh2.utils.parseKey(pair.privateKey), ssh2.utils.parseKey(pair.publicKey)];
    if (secret instanceof Error || open instanceof Error) throw new Error(`pair ${i} is unreadable`);
    expect(open.verify(text, secret.sign(text))).toBe(true);
  }
});
