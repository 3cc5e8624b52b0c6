import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect } from 'vitest';
import { makeKey } from '../../../src/adapters/openssh/generate-key.ts';
import { readPublicKey } from '../../../src/adapters/openssh/key-file.ts';
import { needs } from '../../fixtures/needs.ts';

const { test } = needs('ssh-keygen');

const USE = { setting: 'gerrit.key', addTo: 'in Gerrit' };
const TIMEOUT_MS = 60_000;
let dir: string;
let file: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-new-key-'));
  file = join(dir, 'key');
});
afterEach(() => rmSync(dir, { recursive: true }));

test('creates a key that only we can read, and its public half', async () => {
  await makeKey(file, 'acme-ci (sos-ci)', TIMEOUT_MS);
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(dir).sort()).toEqual(['key', 'key.pub']);
  const half = await readPublicKey(file, USE);
  expect(half.type).toBe('ssh-ed25519');
  expect(`${half.line}\n`).toBe(readFileSync(`${file}.pub`, 'utf8'));
  expect(half.line).toMatch(/^ssh-ed25519 [A-Za-z0-9+/=]+ acme-ci \(sos-ci\)$/);
});

test.each(['key', 'key.pub'])('creates nothing over a %s', async (there) => {
  writeFileSync(join(dir, there), 'mine');
  await expect(makeKey(file, 'x', TIMEOUT_MS)).rejects.toThrow(`${join(dir, there)} exists already`);
  expect(readFileSync(join(dir, there), 'utf8')).toBe('mine');
  expect(readdirSync(dir)).toEqual([there]);
});

test('reports a missing directory', async () => {
  const missing = join(dir, 'nowhere', 'key');
  await expect(makeKey(missing, 'x', TIMEOUT_MS)).rejects.toMatchObject({
    name: 'OperationError',
    operation: 'create key',
    hint: 'check that its directory exists and is writable',
  });
  expect(existsSync(missing)).toBe(false);
});
