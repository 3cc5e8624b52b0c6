/** `sos-ci alarms` and `alarms ack`: their output, their requests, and their exit codes. */
import { describe, expect, test } from 'vitest';
import { acknowledgeCommand, alarmsCommand, findAlarm } from '../../../src/cli/commands/alarms.ts';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import type { OperatorRequest } from '../../../src/engine/ports/operator-api.ts';
import type { AlarmView } from '../../../src/engine/ports/store.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';
import { NOW, SAMPLE } from '../sample.ts';
import { START } from '../sample-story.ts';

type Acknowledge = Extract<OperatorRequest, { do: 'acknowledge' }>;

const [refused] = SAMPLE.alarms;
const seen: AlarmView = {
  ...refused,
  kind: 'disk-low',
  target: '/state',
  message: 'little room',
  hint: 'free space',
  firstAt: START,
  lastAt: START,
  times: 1,
  clearedAt: null,
  acknowledgedAt: START + 60_000,
  acknowledgedBy: 'alice\u001b[2J',
  acknowledgedWhy: 'I am freeing space',
};
const reader = fakeReader({ ...SAMPLE, alarms: [...SAMPLE.alarms, seen] });
const jsonOf = (print: (io: ReturnType<typeof fakeIo>) => void) => {
  const io = fakeIo({ now: () => NOW });
  print(io);
  return JSON.parse(io.stdout());
};

describe('alarms', () => {
  test('are listed with an id, and who acknowledged them', async () => {
    const io = fakeIo({ width: 140 });
    expect(alarmsCommand(io, reader, {})).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/alarms.txt');
    const { alarms } = jsonOf((json) => alarmsCommand(json, reader, { json: true }));
    expect(alarms).toMatchObject([
      { kind: 'vote-rejected', acknowledgedAt: null, acknowledgedBy: null },
      { kind: 'disk-low', acknowledgedAt: new Date(START + 60_000).toISOString() },
    ]);
  });

  test('prints that there are no alarms', () => {
    const io = fakeIo();
    expect(alarmsCommand(io, fakeReader(), {})).toBe(0);
    expect(io.stdout()).toBe('no alarms\n');
  });

  test('that are acknowledged are shown in status, without a hint', async () => {
    const io = fakeIo({ now: () => NOW });
    await statusCommand(io, reader, {});
    expect(io.stdout()).toContain('little room (acknowledged by alice\\x1b[2J 2026-11-22 17:01:00 UTC, last');
    expect(io.stdout()).not.toContain('free space');
    const json = fakeIo();
    await statusCommand(json, reader, { json: true });
    const { alarms } = JSON.parse(json.stdout());
    expect(alarms[1]).toMatchObject({ kind: 'disk-low', acknowledgedBy: 'alice\u001b[2J' });
  });

  test('are found by the beginning of an id', () => {
    const { alarms } = jsonOf((json) => alarmsCommand(json, reader, { json: true }));
    const [first, second] = alarms.map(({ id }: { id: string }) => id);
    expect(findAlarm(reader, first.slice(0, 3))).toEqual({ kind: 'vote-rejected', target: '912345,3' });
    expect(findAlarm(reader, second)).toEqual({ kind: 'disk-low', target: '/state' });
    for (const id of ['', 'zz']) expect(() => findAlarm(reader, id)).toThrow(CliError);
  });

  test.each([
    [1, 0, '1 alarm acknowledged\n'],
    [0, 1, '0 alarms acknowledged\n'],
  ])('acknowledged: %d', async (acknowledged, code, text) => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Acknowledge>({ acknowledged })];
    expect(await acknowledgeCommand(io, daemon.send, null, OPTIONS)).toBe(code);
    expect(daemon.requests).toEqual([{ do: 'acknowledge', alarm: null }]);
    expect(io.stdout()).toBe(text);
  });
});
