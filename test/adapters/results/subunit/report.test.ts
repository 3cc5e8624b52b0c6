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
  const line = (index: number) => Buffer.from(`${String(index % 10).repeat(9_999)}\n`);
  const { tests } = await report(
    Buffer.concat([
      ...Array.from({ length: 50 }, (_, index) => part(line(index))),
      part(Buffer.from('the end')),
      part(Buffer.from([1, 2, 3]), { fileName: 'dump', mimeType: 'application/octet-stream' }),
      encodePacket({ testId: 'a', status: 'fail' }),
    ]),
  );
  const [detail, ...rest] = tests[0]?.details ?? [];
  expect(rest).toEqual([]);
  expect(detail?.isCut).toBe(true);
  // The whole lines of the last 128 KiB.
  expect(detail?.text.length).toBe(130_007);
  expect(detail?.text).toMatch(/9\nthe end$/);
});

test('keeps no part of a line of which the beginning was not kept', async () => {
  const packets = (size: number) => {
    const content = Buffer.from(`password=${'k'.repeat(size)}`);
    return [
      encodePacket({ testId: `t${size}`, fileName: 'log', mimeType: 'text/plain', content }),
      encodePacket({ testId: `t${size}`, fileName: 'log', content: Buffer.from('kk\nthe end') }),
      encodePacket({ testId: `t${size}`, status: 'fail' }),
    ];
  };
  const { tests } = await report(
    Buffer.concat([...packets(1_000), ...packets(131_100), ...packets(300_000)]),
  );
  expect(tests.map(({ details }) => details[0]?.text.slice(-20))).toEqual([
    `${'k'.repeat(12)}\nthe end`,
    'the end',
    'the end',
  ]);
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
  const [begin, end] = [Buffer.alloc(20_000, 'x'), Buffer.alloc(100_000, 'x')];
  const packets = Array.from({ length: 400 }, (_, index) => [
    encodePacket({ testId: `t${index}`, fileName: 'log', content: begin }),
    encodePacket({ testId: `t${index}`, fileName: 'log', content: end }),
    encodePacket({ testId: `t${index}`, status: 'fail' }),
  ]);
  const { tests } = await report(Buffer.concat(packets.flat()));
  expect(tests).toHaveLength(400);
  // Nothing is kept of what was cut in the middle of a line.
  expect(new Set(tests.flatMap(({ details }) => details.map(({ text }) => text.length)))).toEqual(
    new Set([120_000, 0]),
  );
  const kept = tests.flatMap(({ details }) => details).reduce((sum, { text }) => sum + text.length, 0);
  expect(kept).toBeGreaterThan(30_000_000);
  expect(kept).toBeLessThan(32 * 1024 ** 2 + 1);
});
