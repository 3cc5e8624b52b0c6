import { describe, expect, test } from 'vitest';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { NOW, SAMPLE } from '../sample.ts';

const now = () => NOW;
const alive = (pid: number, ticks: number) => pid === 4100 && ticks === 77;

describe('status', () => {
  test('of a working daemon', async () => {
    const io = fakeIo({ width: 110, now, alive });
    expect(await statusCommand(io, fakeReader(SAMPLE), {})).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/status.txt');
    expect(io.stdout().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  });

  test('as JSON has a stable shape', async () => {
    const io = fakeIo({ now, alive });
    expect(await statusCommand(io, fakeReader(SAMPLE), { json: true })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/status.json');
  });

  test('before the first start', async () => {
    const io = fakeIo({ now });
    expect(await statusCommand(io, fakeReader(), {})).toBe(1);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/status-new.txt');
  });

  test('after a crash reports it and exits with 1', async () => {
    const io = fakeIo({ now, alive: () => false });
    expect(await statusCommand(io, fakeReader(SAMPLE), {})).toBe(1);
    expect(io.stdout()).toContain(
      'daemon    not running: the last daemon (pid 4100, started 2026-11-21 17:00:00 UTC) ended uncleanly. Start it: sos-ci daemon\nstream    not connected\n',
    );
  });

  test('after a clean stop reports it, even when the pid is reused', async () => {
    const daemon = SAMPLE.daemon === null ? null : { ...SAMPLE.daemon, mode: 'stopped' };
    const io = fakeIo({ now, alive: () => true });
    expect(await statusCommand(io, fakeReader({ daemon }), {})).toBe(1);
    expect(io.stdout()).toContain('stopped cleanly');
  });
});
