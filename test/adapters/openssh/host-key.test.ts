/** A host's public key as text, whole and cut. */
import { expect, test } from 'vitest';
import { parseHostKey } from '../../../src/adapters/openssh/host-key.ts';

/** A length in four bytes, then the bytes. */
const field = (bytes: Buffer) => {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
};
const filled = (length: number) => Buffer.alloc(length, 7);

test.each([
  ['ssh-ed25519', [filled(32)]],
  ['ecdsa-sha2-nistp256', [Buffer.from('nistp256'), filled(65)]],
  ['ssh-rsa', [Buffer.from([1, 0, 1]), filled(257)]],
])('%s is read whole, and never when it was cut', (type, data) => {
  const blob = Buffer.concat([Buffer.from(type), ...data].map(field));
  const encoded = blob.toString('base64').replace(/=+$/, '');
  for (const comment of ['', ' root@node', '\r']) {
    expect(parseHostKey(`${type} ${encoded}${comment}`)).toEqual(blob);
  }
  for (let length = 0; length < encoded.length; length += 1) {
    const cut = `${type} ${encoded.slice(0, length)}`;
    expect([parseHostKey(cut), parseHostKey(`${cut}[   21.5] random: crng init done`)]).toEqual([null, null]);
  }
  expect(parseHostKey(`${type} ${Buffer.concat([blob, filled(3)]).toString('base64')}`)).toBeNull();
});
