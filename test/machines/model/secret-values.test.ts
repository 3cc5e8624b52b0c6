/** Which texts of a secret are kept out of what is published. */
import { expect, test } from 'vitest';
import { secretValues } from '../../../src/machines/model/secret-values.ts';

test.each([
  ['san_password = hunter2hunter2', 'hunter2hunter2'],
  ['acme_password: "hunter2 hunter2"', 'hunter2 hunter2'],
  ["acme_password: 'hunter2hunter2' # rotate", 'hunter2hunter2'],
  ['    - password: hunter2hunter2', 'hunter2hunter2'],
  ['export OS_PASSWORD=hunter2hunter2', 'hunter2hunter2'],
  ['  "password": "hunter2hunter2",', 'hunter2hunter2'],
  ['password = hunter2 #hunter2', 'hunter2 #hunter2'],
  ['password: hunter2hunter2  # rotate', 'hunter2hunter2'],
])('both the line %s and its value alone are redacted', (line, value) => {
  expect(secretValues(`[section]\n${line}\r\n`)).toEqual(expect.arrayContaining([line.trim(), value]));
});

test('a secret alone has at least 4 characters; a line or a value of a longer file has at least 8', () => {
  expect(secretValues('1234\n')).toEqual(['1234']);
  expect(secretValues('123\n')).toEqual([]);
  expect(secretValues('a: 1234567\nb: 12345678\n1234567\n')).toEqual([
    'a: 1234567',
    'b: 12345678',
    '12345678',
  ]);
});
