/** The table of stacking times. */
import { expect, test } from 'vitest';
import { statsCommand } from '../../../src/cli/commands/stats.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { expectToFit } from '../widths.ts';

const one = (ms: number, more: object = {}) => ({
  job: 'acme-dsvm',
  provider: 'cloud',
  ms,
  proxy: false,
  preseed: false,
  ...more,
});
const stackTimes = [
  ...[1_241_000, 1_190_000, 1_500_400, 1_260_000].map((ms) => one(ms)),
  one(900_000, { proxy: true }),
  one(4_503_000, { job: 'acme-fc', preseed: true }),
  one(600_000, { job: 'acme-fc', proxy: true, preseed: true, provider: 'static\u001b[2J' }),
];
const reader = fakeReader({ stackTimes });

test('shows each kind of cache, empty where nothing ran', async () => {
  const io = fakeIo({ width: 100 });
  expect(statsCommand(io, reader, {})).toBe(0);
  await expect(io.stdout()).toMatchFileSnapshot('../../golden/stack-time.txt');
});

test('fits every terminal', async () => {
  await expectToFit('stats', {}, (io) => statsCommand(io, reader, {}));
});

test('as JSON has a stable shape', async () => {
  const io = fakeIo();
  expect(statsCommand(io, reader, { json: true, since: 0 })).toBe(0);
  await expect(io.stdout()).toMatchFileSnapshot('../../golden/stack-time.json');
});

test('is narrowed to a job and a provider', () => {
  const shown = (options: object) => {
    const io = fakeIo({ width: 100 });
    statsCommand(io, reader, options);
    return io.stdout();
  };
  expect(shown({ job: 'acme-fc', provider: 'cloud' }).match(/^acme.*$/gm)).toEqual([
    'acme-fc  cloud     stack-time',
    'acme-fc  cloud     stack-time with squid',
    'acme-fc  cloud     stack-time with preseed   75:03  75:03     1',
  ]);
  expect(shown({ job: 'none' })).toBe('nothing was stacked\n');
});
