/** The report on a subunit stream for the page of its tests. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { reportSubunit } from '../../../../src/adapters/results/subunit/report.ts';
import { encodePacket } from './streams.ts';

async function report(stream: Buffer) {
  async function* chunks() {
    yield stream;
  }
  return reportSubunit(chunks());
}

test('keeps why tests of a real run failed or were skipped, and no details of those that passed', async () => {
  const stream = gunzipSync(readFileSync('test/samples/devstack-broken.subunit.gz'));
  const { tests, problem } = await report(stream);
  expect(problem).toBe(null);
  expect(tests).toHaveLength(57);
  for (const { outcome, details, durationMs } of tests) {
    const names = details.map(({ name }) => name);
    if (outcome === 'passed') expect(names).toEqual([]);
    if (outcome === 'skipped') expect(names).toContain('reason');
    if (outcome === 'failed')
      expect(names).toEqual(expect.arrayContaining(['traceback', "pythonlogging:''"]));
    expect(durationMs).not.toBe(null);
  }
  const failed = tests.filter(({ outcome }) => outcome === 'failed').flatMap(({ details }) => details);
  expect(failed.map(({ text }) => text).join('\n')).toContain('Traceback (most recent call last)');
});

test('keeps the end of a long attachment, and no binary ones', async () => {
  const part = (content: Buffer, more = {}) =>
    encodePacket({ testId: 'a', fileName: 'log', mimeType: 'text/plain', content, ...more });
  const { tests } = await report(
    Buffer.concat([
      ...Array.from({ length: 50 }, (_, index) => part(Buffer.alloc(10_000, String(index % 10)))),
      part(Buffer.from('the end')),
      part(Buffer.from([1, 2, 3]), { fileName: 'dump', mimeType: 'application/octet-stream' }),
      encodePacket({ testId: 'a', status: 'fail' }),
    ]),
  );
  const [detail, ...rest] = tests[0]?.details ?? [];
  expect(rest).toEqual([]);
  expect(detail?.isCut).toBe(true);
  expect(detail?.text.length).toBe(128 * 1024);
  expect(detail?.text).toMatch(/9the end$/);
});

test('keeps the last failure of a test that failed, passed and failed again', async () => {
  const run = (status: 'fail' | 'success', text: string) => [
    encodePacket({ testId: 'a', fileName: 'traceback', content: Buffer.from(text) }),
    encodePacket({ testId: 'a', status }),
  ];
  const stream = Buffer.concat([...run('fail', 'one'), ...run('success', 'two'), ...run('fail', 'three')]);
  const { tests } = await report(stream);
  expect(tests).toEqual([
    {
      id: 'a',
      outcome: 'failed',
      durationMs: null,
      details: [{ name: 'traceback', text: 'three', isCut: false }],
    },
  ]);
});

test('keeps no more attachments in memory than the limit', async () => {
  const content = Buffer.alloc(120_000, 'x');
  const packets = Array.from({ length: 400 }, (_, index) => [
    encodePacket({ testId: `t${index}`, fileName: 'log', content }),
    encodePacket({ testId: `t${index}`, status: 'fail' }),
  ]);
  const { tests } = await report(Buffer.concat(packets.flat()));
  expect(tests).toHaveLength(400);
  const kept = tests.flatMap(({ details }) => details).reduce((sum, { text }) => sum + text.length, 0);
  expect(kept).toBeGreaterThan(30_000_000);
  expect(kept).toBeLessThan(32 * 1024 ** 2 + 1);
});
