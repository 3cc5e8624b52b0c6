import { expect, test } from 'vitest';
import { nearest } from '../../../src/config/file/config-error.ts';

const known = ['host', 'port', 'user', 'key', 'knownHosts', 'keepalive'];

test.each([
  ['hots', 'host'],
  ['known_hosts', 'knownHosts'],
  ['username', 'user'],
  ['keyFile', 'key'],
  ['KEEPALIVE', 'keepalive'],
  ['zebra', null],
  ['x', null],
  ['a'.repeat(100_000), null],
])('the nearest key to %.20s is %s', (key, expected) => {
  expect(nearest(key, known)).toBe(expected);
});
