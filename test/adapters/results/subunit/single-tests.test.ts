/** The single tests of a subunit stream: names, durations, and why they failed. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { readSubunit } from '../../../../src/adapters/results/subunit/report.ts';
import { encodePacket } from './streams.ts';

async function testsIn(stream: Buffer) {
  async function* chunks() {
    yield stream;
  }
  const { tests } = await readSubunit(chunks());
  return tests ?? { tests: [], problem: 'none' };
}

/** A test that failed with these attachments. */
function failure(...details: readonly (readonly [name: string, text: string])[]): Buffer {
  return Buffer.concat([
    ...details.map(([fileName, text]) =>
      encodePacket({ testId: 't', fileName, mimeType: 'text/plain', content: Buffer.from(text) }),
    ),
    encodePacket({ testId: 't', status: 'fail' }),
  ]);
}

const FRAMES = 'Traceback (most recent call last):\n  File "a.py", line 1, in f\n    g()\n    ^^^\n';

test('of a real run have names without the ids of Tempest, durations, and errors', async () => {
  const { tests, problem } = await testsIn(
    gunzipSync(readFileSync('test/samples/devstack-broken.subunit.gz')),
  );
  expect(problem).toBeNull();
  expect(tests).toHaveLength(57);
  expect(tests.filter(({ outcome }) => outcome === 'failed')).toEqual([
    {
      id: 'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend',
      outcome: 'failed',
      durationMs: expect.closeTo(23_048, 0),
      error:
        'tempest.exceptions.VolumeExtendErrorException: Volume d74216df-1467-4d0f-9ffb-601ff9809b80 failed to extend and is in error_extending status',
    },
    {
      id: 'tempest.api.volume.test_volumes_extend.VolumesExtendTest.test_volume_extend_when_volume_has_snapshot',
      outcome: 'failed',
      durationMs: expect.closeTo(207_865, 0),
      error:
        'tempest.exceptions.VolumeExtendErrorException: Volume 1accb6b3-17c4-4f24-aca0-7941e0fd5c15 failed to extend and is in error_extending status',
    },
  ]);
  expect(tests.every(({ outcome, error }) => outcome === 'failed' || error === null)).toBe(true);
});

test.each([
  [
    'the message of the exception, on one line',
    [['traceback', `${FRAMES}E: Timed out\nDetails:  7\n`]],
    'E: Timed out Details: 7',
  ],
  [
    'the last of chained exceptions',
    [['traceback', `${FRAMES}E: first\n\nDuring handling of the above exception:\n\n${FRAMES}E: second\n`]],
    'E: second',
  ],
  [
    'the test, not its cleanup',
    [
      ['log', 'x\n'],
      ['traceback', `${FRAMES}E: test\n`],
      ['traceback-1', `${FRAMES}E: cleanup\n`],
    ],
    'E: test',
  ],
  ['the last line of another text', [['reason', 'one\ntwo\n\n']], 'two'],
  ['a traceback that ends with a frame', [['traceback', FRAMES]], '^^^'],
  ['nothing', [], null],
  ['an empty attachment', [['traceback', '\n \n']], null],
] as const)('the error is that of %s', async (_, details, error) => {
  const { tests } = await testsIn(failure(...details));
  expect(tests).toEqual([{ id: 't', outcome: 'failed', durationMs: null, error }]);
});

test('a long error is cut', async () => {
  const { tests } = await testsIn(failure(['traceback', `${FRAMES}${'E'.repeat(100_000)}`]));
  expect(tests[0]?.error).toHaveLength(1_000);
});

test('an incomplete stream has its tests and the problem', async () => {
  const { tests, problem } = await testsIn(
    Buffer.concat([
      encodePacket({ testId: 'a', status: 'success' }),
      encodePacket({ testId: 'b', status: 'inprogress' }),
    ]),
  );
  expect(tests).toMatchObject([{ id: 'a', outcome: 'passed' }]);
  expect(problem).toBe('1 of its tests began and did not end: b');
});
