/** Whatever a server sends: no crash, every line counted once, and every accepted event safe to use. */
import { readFileSync } from 'node:fs';
import { PassThrough } from 'node:stream';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { EventReader } from '../../../../src/adapters/gerrit/stream/event-reader.ts';
import type { GerritEvent } from '../../../../src/machines/model/gerrit-event.ts';
import { RecordingListener } from '../../../fakes/stream-listener.ts';
import { runs } from '../../../fixtures/effort.ts';

const sample = (version: string) =>
  readFileSync(new URL(`../../../samples/gerrit-${version}-stream.jsonl`, import.meta.url), 'utf8')
    .trim()
    .split('\n');

const change = {
  project: 'openstack/cinder',
  branch: 'master',
  number: 912345,
  subject: 'Acme: retry the login',
  owner: { name: 'Dev', email: 'dev@example.org', username: 'dev' },
  url: 'https://review.example.org/c/openstack/cinder/+/912345',
  topic: 'acme',
};
const patchSet = {
  number: 3,
  revision: 'e990e77e529ece659c65c7f24372813f69acce8b',
  ref: 'refs/changes/45/912345/3',
  kind: 'REWORK',
};
/** With ten seeds: 100,000 lines, or a twentieth. */
const LINES = runs(10_000);
const seeds = Array.from({ length: 10 }, (_, index) => 20261122 + index);

describe('generated and mutated lines', () => {
  test.each(seeds)('from seed %d: no crash, and each one is counted once', (seed) => {
    const originals = [...sample('3.9.1'), ...sample('3.12.0')].map((line) => Buffer.from(line));
    const mutated = fc
      .tuple(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat(2_000), fc.nat(255)), { maxLength: 6 }),
        fc.nat(2_500),
      )
      .map(([line, edits, length]) => {
        const copy = Buffer.from(line.subarray(0, length));
        for (const [at, byte] of edits) if (at < copy.length) copy[at] = byte;
        return copy;
      });
    const hostile = fc.record(
      {
        type: fc.oneof(
          fc.constantFrom('patchset-created', 'comment-added', 'change-merged', 'change-deleted'),
          fc.string(),
        ),
        change: fc.oneof(fc.record({ ...anyFields(change) }, { requiredKeys: [] }), fc.json()),
        patchSet: fc.oneof(fc.record({ ...anyFields(patchSet) }, { requiredKeys: [] }), fc.json()),
        comment: fc.anything(),
        approvals: fc.anything(),
        author: fc.anything(),
      },
      { requiredKeys: ['type'] },
    );
    const generated = hostile.map((value) => Buffer.from(safeJson(value)));
    const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    const lines = fc.sample(fc.oneof(mutated, mutated, generated, noise), {
      numRuns: LINES,
      seed,
    });
    const whole = lines.map((line) => Buffer.from(line.filter((byte) => byte !== 10)));

    const listener = new RecordingListener();
    const reader = new EventReader(listener, { lineLimitBytes: 10_000, queueLimit: 20_000, now: () => 0 });
    const source = new PassThrough({ highWaterMark: 64 * 1024 * 1024 });
    reader.attach(source);
    source.end(Buffer.concat(whole.flatMap((line) => [line, Buffer.from('\n')])));
    source.resume();
    return new Promise<void>((resolve) => source.once('end', resolve)).then(() => {
      const counted = listener.events.length + listener.rejections.length + listener.drops.length;
      expect(counted).toBe(LINES);
      for (const { sample: shown, reason: why } of listener.rejections) {
        expect(shown.length).toBeLessThanOrEqual(200);
        expect(why.length).toBeLessThanOrEqual(100);
      }
      for (const parsedEvent of listener.events) expectBounded(parsedEvent);
      expect(new Set(listener.events.map((parsedEvent) => parsedEvent.type)).size).toBeGreaterThan(5);
      expect(listener.rejections.length).toBeGreaterThan(LINES / 10);
    });
  });
});

function anyFields(of: object): Record<string, fc.Arbitrary<unknown>> {
  return Object.fromEntries(
    Object.entries(of).map(([key, value]) => [
      key,
      fc.oneof({ weight: 4, arbitrary: fc.constant(value) }, fc.anything()),
    ]),
  );
}

function safeJson(value: unknown): string {
  return (
    JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? `${inner}` : inner)) ??
    'null'
  );
}

/** The properties that argument lists, paths and rows rely on. */
function expectBounded(parsedEvent: GerritEvent): void {
  expect(JSON.stringify(parsedEvent).length).toBeLessThan(500_000);
  if (!('patchset' in parsedEvent)) return;
  const { patchset } = parsedEvent;
  expect(patchset.revision).toMatch(/^[0-9a-f]{40}$/);
  expect(patchset.ref).toMatch(/^refs\/changes\/\d\d\/[1-9]\d*\/[1-9]\d*$/);
  expect(patchset.project).toMatch(/^[^-/ ]/);
  expect(patchset.branch).toMatch(/^[^-/ ]/);
  expect(patchset.url).toMatch(/^(https?:\/\/\S+)?$/);
}
