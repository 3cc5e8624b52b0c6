/** Simulated histories that are not jobs: in `sos-ci status`, and row by row. */
import { describe, expect, test } from 'vitest';
import { historyCommand } from '../../../src/cli/commands/history.ts';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { printRows } from '../../../src/cli/output/history-table.ts';
import { topState } from '../../../src/cli/output/state-spans.ts';
import { textWidth } from '../../../src/cli/output/table.ts';
import type { AlarmView, NumberedRow } from '../../../src/engine/ports/store.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { START } from '../../machines/facts.ts';
import { recorded, rowsOf } from '../../machines/recorded.ts';
import { Simulator } from '../../machines/simulator.ts';

const MINUTE = 60_000;
const LIMITS = {
  diskFreeBytes: 1024 ** 3,
  diskFreeFiles: 10,
  walBytes: 1024 ** 2,
  maxSilenceMs: 3_600_000,
  minOtherReports: 3,
};
const STREAM_LIMITS = {
  downAlarmMs: 10 * MINUTE,
  catchUpTimeoutMs: MINUTE,
  catchUpRetryMs: MINUTE,
  catchUpRetryMaxMs: MINUTE,
  catchUpAlarmAttempts: 5,
  catchUpAgainMs: MINUTE,
};
const HOSTILE = 'ended \u001b[2Jby an evil server';

/** A connection that was up for two hours, and then these events. */
function contentsOf(...more: readonly AnyEvent[]) {
  const simulator = new Simulator();
  const send = (history: string, event: AnyEvent, settles?: string) => {
    simulator.send(history, event, settles === undefined ? {} : { settles });
    simulator.now += 30 * MINUTE;
  };
  send('stream', { type: 'stream.started', server: 'review:29418', limits: STREAM_LIMITS, since: null });
  send('stream', { type: 'stream.connected', why: 'connected to Gerrit 3.12' });
  const closed = { since: START, changes: 2, found: 1, ambiguous: [], unparsed: 0 } as const;
  send('stream', { type: 'catchup.completed', ...closed }, 'catchUp:1');
  simulator.now += 60 * MINUTE;
  for (const event of more) send('stream', event);
  const rows = simulator.log.map((row, index): NumberedRow => ({ ...row, seq: index + 1 }));
  return { rows, stored: Object.fromEntries(simulator.stored), now: () => simulator.now };
}

const health = {
  limits: LIMITS,
  problems: [
    {
      topic: 'space /s',
      kind: 'disk-low',
      target: '/s',
      message: 'full',
      hint: '',
      since: START + 120 * MINUTE,
    },
  ],
} as const;

const lost: AnyEvent = {
  type: 'stream.disconnected',
  why: HOSTILE,
  hint: 'check whether Gerrit is reachable',
};
const daemon = { pid: 1, startTicks: 1, startedAt: START, version: '0', mode: 'running', stream: 'x' };

describe('status', () => {
  const show = async (json: boolean, ...more: readonly AnyEvent[]) => {
    const { now, ...contents } = contentsOf(...more);
    const io = fakeIo({ now, alive: () => true, width: 200 });
    await statusCommand(io, fakeReader({ ...contents, daemon, health }), { json });
    return io.stdout();
  };

  test('shows the connection, since when, and the result of the last catch-up', async () => {
    expect(await show(false)).toContain(
      [
        'stream    listening; checks again soon for missed events since 2026-01-02 03:34:05 UTC (2h 00m 00s), review:29418: connected to Gerrit 3.12',
        '          last catch-up 2026-01-02 04:04:05 UTC: 1 event missed',
      ].join('\n'),
    );
    expect(await show(false, lost)).toMatch(
      /^stream {4}not connected, retrying since .*: ended \\x1b\[2Jby/m,
    );
    expect(await show(false, lost)).toContain('          -> check whether Gerrit is reachable');
  });

  test('shows the same as JSON', async () => {
    expect(JSON.parse(await show(true)).stream).toMatchObject({
      state: 'up.awaitingIndex',
      upSince: '2026-01-02T03:34:05.000Z',
      downSince: null,
      caughtUp: { found: 1, at: '2026-01-02T04:04:05.000Z' },
    });
    expect(JSON.parse(await show(true, lost)).stream).toMatchObject({
      state: 'down.backoff',
      upSince: null,
      downSince: '2026-01-02T05:34:05.000Z',
      hint: 'check whether Gerrit is reachable',
      outages: 2,
    });
  });

  test('shows problems, and since when they exist', async () => {
    expect(await show(false)).toContain('health    disk-low /s since 2026-01-02 05:04:05 UTC');
    expect(JSON.parse(await show(true)).health).toMatchObject({
      healthy: false,
      limits: LIMITS,
      problems: [{ kind: 'disk-low', since: '2026-01-02T05:04:05.000Z' }],
    });
  });

  test('shows that an alarm is cleared', async () => {
    const alarm: AlarmView = {
      kind: 'disk-low',
      target: '/s',
      message: 'there is room again',
      hint: '',
      firstAt: START,
      lastAt: START,
      times: 1,
      clearedAt: START + MINUTE,
      acknowledgedAt: null,
      acknowledgedBy: '',
      acknowledgedWhy: '',
    };
    const io = fakeIo({ now: () => START, alive: () => true, width: 200 });
    await statusCommand(io, fakeReader({ daemon, alarms: [alarm] }), {});
    expect(io.stdout()).toContain(
      'disk-low /s: there is room again (cleared 2026-01-02 03:05:05 UTC, last 2026-01-02 03:04:05 UTC)',
    );
  });
});

describe('history NAME', () => {
  const show = (name: string, json = false) => {
    const { now, ...contents } = contentsOf(lost);
    const io = fakeIo({ now, width: 100 });
    expect(historyCommand(io, fakeReader(contents), name, { json })).toBe(0);
    return io.stdout();
  };

  test('shows the connection row by row, with control characters escaped', () => {
    const text = show('stream');
    expect(text).toMatch(
      /^stream {2}down\.backoff {2}\(stream@1\)\n {2}since 2026-01-02 03:04:05 UTC, 4 rows\n/,
    );
    expect(text).toMatch(/^01-02 03:04:05 down {7}connecting to review:29418$/m);
    expect(text).toMatch(/^01-02 05:34:05 down {7}not connected: ended \\x1b\[2Jby an evil server$/m);
    expect(text.replaceAll('\n', '')).not.toMatch(/\p{Cc}/u);
  });

  test('as JSON', () => {
    expect(JSON.parse(show('stream', true))).toMatchObject({
      history: 'stream',
      machine: 'stream@1',
      state: 'down.backoff',
      ended: false,
      changedAt: '2026-01-02T05:34:05.000Z',
      events: [{ version: 1, sinceStartMs: 0 }, {}, {}, { version: 4, type: 'stream.disconnected' }],
    });
  });

  test('of a long history shows the newest rows, and how many there are', () => {
    const contents = contentsOf(...Array.from({ length: 120 }, () => lost));
    const io = fakeIo({ now: contents.now, width: 100 });
    historyCommand(io, fakeReader(contents), 'stream', {});
    expect(io.stdout()).toContain('123 rows; the newest 100 are shown, --json prints all');
    expect(io.stdout()).not.toContain('connecting');
  });
});

describe('the rows of a history', () => {
  const histories = recorded.flatMap((file) => {
    const rows = rowsOf(file).map((row, index): NumberedRow => ({ ...row, seq: index + 1 }));
    return [...new Set(rows.map(({ history }) => history))].map((name) =>
      rows.filter(({ history }) => history === name),
    );
  });

  test.each([40, 60, 100, Number.POSITIVE_INFINITY])(
    'keep a space after every state at a width of %d',
    (width) => {
      for (const rows of histories) {
        const io = fakeIo({ width });
        printRows(io, null, rows);
        const lines = io.stdout().trimEnd().split('\n');
        const states = new Set(rows.map(({ state }) => topState(state)));
        const known = (shown: string) =>
          shown === '' ||
          states.has(shown) ||
          (shown.endsWith('…') && [...states].some((state) => state.startsWith(shown.slice(0, -1))));
        const isWrong = (line: string) =>
          textWidth(line) > width || !known(/^\d\d-\d\d \d\d:\d\d:\d\d (\S*)/.exec(line)?.[1] ?? '');
        expect(lines.filter(isWrong)).toEqual([]);
      }
    },
  );
});
