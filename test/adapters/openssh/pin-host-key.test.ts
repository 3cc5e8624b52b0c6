import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findKnownHost, judgeHostKey } from '../../../src/adapters/openssh/known-hosts.ts';
import { pinHostKey } from '../../../src/adapters/openssh/pin-host-key.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';

let dir: string;
let file: string;
const newKey = () => Buffer.from(makeKeyPair('host').publicKey.split(' ')[1] ?? '', 'base64');

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-pin-'));
  file = join(dir, 'known_hosts');
});
afterEach(() => rmSync(dir, { recursive: true }));

test.each([
  [22, 'review.example.org '],
  [29418, '[review.example.org]:29418 '],
])('appends a key for port %i to the existing entries', (port, begins) => {
  const key = newKey();
  writeFileSync(file, 'other ssh-ed25519 AAAA');
  expect(pinHostKey(file, 'review.example.org', port, key)).toBe('pinned');
  expect(pinHostKey(file, 'review.example.org', port, key)).toBe('known');
  const text = readFileSync(file, 'utf8');
  expect(text.split('\n')).toHaveLength(3);
  expect(text.split('\n')[1]?.startsWith(`${begins}ssh-ed25519 `)).toBe(true);
  expect(judgeHostKey(findKnownHost(text, { file, host: 'review.example.org', port }), key)).toBe('known');
});

test('does not replace a key', () => {
  pinHostKey(file, 'h', 22, newKey());
  const before = readFileSync(file, 'utf8');
  expect(() => pinHostKey(file, 'h', 22, newKey())).toThrow('has another key for this host');
  expect(readFileSync(file, 'utf8')).toBe(before);
});

test('adds a key for a port beside that of the host', () => {
  const [host, gerrit] = [newKey(), newKey()];
  pinHostKey(file, 'h', 22, host);
  expect(pinHostKey(file, 'h', 29418, gerrit)).toBe('pinned');
  expect(pinHostKey(file, 'h', 29418, gerrit)).toBe('known');
  expect(pinHostKey(file, 'h', 22, host)).toBe('known');
});

test('reports a file that cannot be written', () => {
  expect(() => pinHostKey(join(dir, 'nowhere', 'x'), 'h', 22, newKey())).toThrow(
    expect.objectContaining({ name: 'OperationError', operation: 'pin host key' }),
  );
});
