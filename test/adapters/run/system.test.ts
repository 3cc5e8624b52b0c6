/** What a server says about itself, read from a node that may be hostile. */
import { expect, test } from 'vitest';
import { readSystem } from '../../../src/adapters/local/system.ts';
import { parseSystem } from '../../../src/adapters/run/system.ts';
import { NEVER } from '../../fixtures/never.ts';

const UNKNOWN = { os: null, kernel: null, cpus: null, memoryBytes: null };

test('reads this host', async () => {
  expect(await readSystem(NEVER)).toEqual({
    os: expect.stringMatching(/^\w/),
    kernel: expect.stringMatching(/^\d+\.\d+\S* \w+$/),
    cpus: expect.any(Number),
    memoryBytes: expect.any(Number),
  });
});

test('reads each value that is as expected', () => {
  const output = 'os Debian GNU/Linux 12 (bookworm)\nkernel 6.1.0-44-amd64 x86_64\ncpus 8\nmemory 16384\n';
  expect(parseSystem(output)).toEqual({
    os: 'Debian GNU/Linux 12 (bookworm)',
    kernel: '6.1.0-44-amd64 x86_64',
    cpus: 8,
    memoryBytes: 16_777_216,
  });
  expect(parseSystem('os Debian\ncpus\nmemory 12')).toEqual({
    ...UNKNOWN,
    os: 'Debian',
    memoryBytes: 12_288,
  });
});

test.each([
  '',
  'os \nkernel \ncpus \nmemory \n',
  `os ${'x'.repeat(101)}\nkernel ${'6'.repeat(101)} x\n`,
  'os \u001b[31mred\nos \u202eevil\nkernel 6.1 x86_64 <b>\n',
  'cpus -1\ncpus 0\ncpus 1e9\ncpus 100000\nmemory 0x10\nmemory 9999999999999\n',
])('leaves out values that are not as expected: %j', (output) => {
  expect(parseSystem(output)).toEqual(UNKNOWN);
});
