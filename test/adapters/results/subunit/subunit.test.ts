/** Reading whole subunit v2 files: counts, names, and why a file is unreadable. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { readSubunit } from '../../../../src/adapters/results/subunit/report.ts';
import { SUBUNIT_LIMITS } from '../../../../src/adapters/results/subunit/subunit.ts';
import { encodePacket, type PacketParts } from './streams.ts';

type Status = NonNullable<PacketParts['status']>;

const sample = (name: string) => readFileSync(join('test/samples', name));

async function read(stream: Buffer, limits = SUBUNIT_LIMITS, chunkBytes = 4096) {
  async function* chunks() {
    for (let at = 0; at < stream.length; at += chunkBytes) yield stream.subarray(at, at + chunkBytes);
  }
  const { tests: _, ...summary } = await readSubunit(chunks(), limits);
  return summary;
}

/** A stream of these tests and statuses. */
function streamOf(...packets: readonly (readonly [testId: string, status: Status, routeCode?: string])[]) {
  return Buffer.concat(
    packets.map(([testId, status, routeCode]) =>
      encodePacket({ testId, status, ...(routeCode === undefined ? {} : { routeCode }) }),
    ),
  );
}

describe('readSubunit', () => {
  it.each([
    ['tempest-pass.subunit', { passed: 19, skipped: 2, failed: 0 }],
    ['tempest-fail.subunit', { passed: 8, skipped: 3, failed: 6 }],
    ['devstack-broken.subunit.gz', { passed: 53, skipped: 2, failed: 2 }],
  ])('counts the tests of a real run: %s', async (name, counts) => {
    expect(await read(sample(name))).toMatchObject(counts);
  });

  it('names the failed tests of a real run without the ids of Tempest', async () => {
    expect(await read(sample('devstack-broken.subunit.gz'))).toMatchObject({
      failures: [
        'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend',
        'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend_when_volume_has_snapshot',
      ],
    });
  });

  it('reads gzip', async () => {
    const plain = sample('tempest-fail.subunit');
    for (const chunkBytes of [1, 65_536])
      expect(await read(gzipSync(plain), SUBUNIT_LIMITS, chunkBytes)).toEqual(await read(plain));
  });

  it.each([
    ['a success', 'success', 'passed'],
    ['an expected failure', 'xfail', 'passed'],
    ['a skipped test', 'skip', 'skipped'],
    ['a failure', 'fail', 'failed'],
    ['an unexpected success', 'uxsuccess', 'failed'],
  ] as const)('counts %s', async (_what, status, as) => {
    const none = { passed: 0, skipped: 0, failed: 0 };
    expect(await read(streamOf(['a', 'inprogress'], ['a', status]))).toEqual({
      ...{ ...none, [as]: 1 },
      failures: as === 'failed' ? ['a'] : [],
    });
  });

  it.each(['setUpClass', 'tearDownClass'])('counts a failed %s as a failed test', async (where) => {
    const name = `${where} (tempest.api.volume.VolumesTest)`;
    expect(await read(streamOf(['a', 'success'], [name, 'fail']))).toEqual({
      ...{ passed: 1, skipped: 0, failed: 1 },
      failures: [name],
    });
  });

  it('counts nothing for a listed test or for packets without a test', async () => {
    const stream = Buffer.concat([
      encodePacket({ testId: 'a', status: 'exists' }),
      encodePacket({ status: 'fail' }),
      encodePacket({ testId: 'a', fileName: 'stdout', content: Buffer.from('hello') }),
    ]);
    expect(await read(stream)).toEqual({ passed: 0, skipped: 0, failed: 0, failures: [] });
  });

  it.each([
    [['success', 'fail', 'success'], 'failed'],
    [['skip', 'success'], 'skipped'],
    [['success', 'uxsuccess'], 'failed'],
  ] as const)('counts a test once, with the worst of %j', async (statuses, as) => {
    const counts = { passed: 0, skipped: 0, failed: 0, [as]: 1 };
    expect(await read(streamOf(...statuses.map((status) => ['a', status] as const)))).toMatchObject(counts);
  });

  const UNENDED = streamOf(['a', 'success'], ['b', 'inprogress', '0'], ['b', 'success', '1']);
  const DIED = streamOf(['a', 'success'], ['process-returncode', 'fail']);
  const CUT = streamOf(['a', 'success'], ['b', 'success']).subarray(0, -3);
  const PACKED = gzipSync(sample('tempest-pass.subunit')).subarray(0, -9);

  it.each([
    ['a test that did not end', UNENDED, '1 of its tests began and did not end: b'],
    ['a worker that died', DIED, 'a worker process of the test runner died'],
    ['a truncated packet', CUT, 'the file cannot be read: it ends in the middle of a packet'],
    ['truncated gzip data', PACKED, 'the file cannot be read: its gzip compression is damaged'],
    [
      'bytes of another format',
      Buffer.from([0, 1, 2]),
      'the file cannot be read: it contains bytes that are neither a packet nor text',
    ],
  ])('reports a file with %s as unreadable, unless a test failed', async (_what, stream, unreadable) => {
    expect(await read(stream)).toEqual({ unreadable });
    if (stream === PACKED) return;
    expect(await read(Buffer.concat([streamOf(['f', 'fail']), stream]))).toMatchObject({
      failed: 1,
      failures: ['f'],
    });
  });

  it('counts the failures before a damaged part of a gzip file', async () => {
    const packed = gzipSync(sample('tempest-fail.subunit'), { level: 0 });
    expect(await read(packed.subarray(0, -9))).toMatchObject({ failed: 6 });
  });

  it('escapes and truncates names', async () => {
    const stream = streamOf(['\u001b[2Jgone', 'fail'], ['x'.repeat(1_000), 'fail']);
    expect(await read(stream)).toMatchObject({ failures: ['\\x1b[2Jgone', `${'x'.repeat(199)}…`] });
  });

  it('names only the first failures, and counts all', async () => {
    const many = Array.from({ length: 50 }, (_, index) => [`t${index}`, 'fail'] as const);
    const results = await read(streamOf(...many));
    expect(results).toMatchObject({ failed: 50 });
    expect('failures' in results && results.failures).toHaveLength(SUBUNIT_LIMITS.names);
  });

  it.each(['success', 'inprogress'] as const)('limits the memory for ids: %s', async (status) => {
    const many = Array.from({ length: 1_000 }, (_, index) => [`t${index}`, status] as const);
    const limits = { ...SUBUNIT_LIMITS, idCharacters: 10_000 };
    expect(await read(streamOf(...many), limits)).toEqual({ unreadable: 'it names too many tests' });
  });

  it('needs no more memory when a test is repeated', async () => {
    const once = [
      ['a', 'inprogress'],
      ['a', 'success'],
    ] as const;
    const limits = { ...SUBUNIT_LIMITS, idCharacters: 200 };
    const stream = streamOf(...Array.from({ length: 100 }, () => once).flat());
    expect(await read(stream, limits)).toMatchObject({ passed: 1 });
  });

  it('unpacks no more than the limit', async () => {
    const bomb = gzipSync(Buffer.alloc(10_000_000, 'x'));
    expect(await read(bomb, { ...SUBUNIT_LIMITS, bytes: 1_000_000 })).toEqual({
      unreadable: 'the file cannot be read: it contains more than 1000000 bytes',
    });
  });

  it('rejects with the error of the stream', async () => {
    for (const start of [streamOf(['a', 'success']), gzipSync(streamOf(['a', 'success'])).subarray(0, 8)]) {
      async function* broken() {
        yield start;
        throw new Error('disk gone');
      }
      await expect(readSubunit(broken())).rejects.toThrow('disk gone');
    }
  });
});
