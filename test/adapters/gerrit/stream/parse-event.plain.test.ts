/**
 * Plain events are read without their schemas. A branch that comes with `refs/heads/` means the same and is no plain one, so
 * the same line with it is read by the schemas: both must come to the same, whatever stands in any other field.
 */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parseEvent } from '../../../../src/adapters/gerrit/stream/parse-event.ts';

type Json = Record<string, unknown>;

const samples = ['gerrit-3.9.1-stream', 'gerrit-3.9.1-lived', 'gerrit-3.12.0-stream'].flatMap((name) =>
  readFileSync(new URL(`../../../samples/${name}.jsonl`, import.meta.url), 'utf8')
    .split('\n')
    .filter((line) => /"type":"(patchset-created|comment-added)"/.test(line)),
);
const ODD: readonly unknown[] = [
  undefined,
  null,
  0,
  -1,
  7,
  '7',
  '+1',
  '',
  1.5,
  2_147_483_648,
  true,
  [],
  [null],
  [{ type: 'Verified', value: '2', oldValue: '' }],
  Array.from({ length: 201 }, () => ({ type: 'x', value: '1' })),
  {},
  { name: 'openstack/nova' },
  { username: 'u\u0000x', name: '\ud800', email: 7 },
  'a\u001b[2Jb\ud800c\u2028',
  'x'.repeat(3_000),
  'x'.repeat(70_000),
  '../etc',
  'a/../b',
  'a..b',
  '-rf',
  'refs/heads/x',
  'refs/changes/45/912345/3',
];

/** Every place of the event, as the keys that lead to it. */
function places(value: unknown, path: readonly string[] = []): readonly (readonly string[])[] {
  if (typeof value !== 'object' || value === null) return path.length === 0 ? [] : [path];
  const below = Object.entries(value).flatMap(([key, one]) => places(one, [...path, key]));
  return path.length === 0 ? below : [path, ...below];
}

function changed(event: Json, path: readonly string[], value: unknown): Json {
  const copy = structuredClone(event);
  const last = path.at(-1) ?? '';
  const holder = path.slice(0, -1).reduce<Json>((at, key) => at[key] as Json, copy);
  if (value === undefined) delete holder[last];
  else holder[last] = value;
  return copy;
}

function bySchema(event: Json): unknown {
  const change = event.change as Json | null | undefined;
  if (typeof change?.branch !== 'string') return parseEvent(JSON.stringify(event));
  return parseEvent(
    JSON.stringify({ ...event, change: { ...change, branch: `refs/heads/${change.branch}` } }),
  );
}

const events = samples.map((line) => JSON.parse(line) as Json);

test('real events come to the same either way', () => {
  expect(events.length).toBeGreaterThan(20);
  for (const event of events) {
    const plain = parseEvent(JSON.stringify(event));
    expect(plain).toHaveProperty('event');
    expect(plain).toEqual(bySchema(event));
  }
});

test('whatever stands in any of their fields', () => {
  let compared = 0;
  for (const kind of ['patchset-created', 'comment-added']) {
    const event = events
      .filter(({ type }) => type === kind)
      .sort((a, b) => places(b).length - places(a).length)[0];
    for (const path of places(event)) {
      if (path[0] === 'type' || path.join('.') === 'change.branch') continue;
      for (const value of ODD) {
        const odd = changed(event ?? {}, path, value);
        const what = `${path.join('.')} = ${JSON.stringify(value)?.slice(0, 60)}`;
        const [plain, schema] = [parseEvent(JSON.stringify(odd)), bySchema(odd)] as Json[];
        if (plain?.rejected === undefined) expect([what, plain]).toEqual([what, schema]);
        else
          expect([what, (plain.rejected as Json).reason]).toEqual([
            what,
            ((schema?.rejected ?? {}) as Json).reason,
          ]);
        compared += 1;
      }
    }
  }
  expect(compared).toBeGreaterThan(1_000);
});
