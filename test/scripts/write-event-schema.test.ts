/** The schemas of the events are those of their types, and accept every recorded event. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseEvent } from '../../src/cli/input/parse-event.ts';
import { ROOT } from '../house/source.ts';
import { recorded, rowsOf } from '../machines/recorded.ts';

test('event-schema.json is current', { timeout: 120_000 }, () => {
  const argv = [join(ROOT, 'scripts', 'write-event-schema.mjs'), '--check'];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 110_000 });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});

test('every recorded event fits its schema', { timeout: 60_000 }, () => {
  const rows = recorded.flatMap(rowsOf).filter(({ type }) => type !== 'history.continued');
  const problems = new Set<string>();
  for (const { type, data } of rows) {
    const parsed = parseEvent(JSON.stringify({ ...data, type }));
    if ('problem' in parsed) problems.add(parsed.problem);
  }
  expect([...problems]).toEqual([]);
});
