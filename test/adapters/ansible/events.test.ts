/** What roles report, read from a file that a node may have influenced. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { readFacts } from '../../../src/adapters/ansible/events.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-events-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function read(...lines: readonly unknown[]) {
  const file = join(directory, 'events.jsonl');
  writeFileSync(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(''));
  return readFacts(file);
}
const facts = (values: object) => ({ event: 'facts', at: 1, facts: values });

test('takes the newest value of each fact', async () => {
  const devstack = 'a'.repeat(40);
  expect(
    await read(
      facts({ ansible: '2.19.3' }),
      { event: 'task', task: 'facts' },
      facts({ devstack: 'b'.repeat(40), proxy: true, preseed: false }),
      facts({ devstack, proxy: false }),
      facts({ tempest: '41.0.0.dev12', unknown: 'x' }),
    ),
  ).toEqual({ ansible: '2.19.3', devstack, proxy: false, preseed: false, tempest: '41.0.0.dev12' });
});

test.each([
  [facts({ devstack: '<script>', tempest: 'x'.repeat(100), ansible: '2.1\n', proxy: 'yes', preseed: 1 })],
  [{ event: 'facts' }],
  [{ event: 'ok', facts: { proxy: true } }],
  ['facts'],
])('ignores malformed values and events: %j', async (line) => {
  expect(await read(line)).toBeNull();
});

test('a run without the file reports nothing', async () => {
  expect(await readFacts(join(directory, 'none'))).toBeNull();
});
