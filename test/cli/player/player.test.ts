/**
 * The player's core: what keys do, how time passes, and that the screen fits every size. On recorded histories of every
 * machine.
 */
import { describe, expect, test } from 'vitest';
import { textWidth } from '../../../src/cli/output/table.ts';
import { type Key, type Player, press, startPlayer, tick } from '../../../src/cli/player/player.ts';
import { drawScreen, type LogExcerpt, type Size, scrollLimit } from '../../../src/cli/player/screen.ts';
import { type Timeline, timelineOf } from '../../../src/cli/player/timeline.ts';
import type { LogRow } from '../../../src/machines/protocol/row.ts';
import { replayRows } from '../../../src/machines/replay-rows.ts';
import { recorded, rowsOf } from '../../machines/recorded.ts';
import { sha256 } from '../../machines/simulator.ts';

const NOW = Date.parse('2027-01-01T00:00:00Z');

function timelineFrom(rows: readonly LogRow[]): Timeline {
  return timelineOf(
    replayRows(
      rows.map((row, index) => ({ ...row, seq: index + 101 })),
      sha256,
    ),
  );
}

function timeline(file: string, history: string): Timeline {
  return timelineFrom(rowsOf(`${file}.jsonl`).filter((row) => row.history === history));
}

const retried = timeline('setup-retried-then-retry-limit', 'job-1');

/** Named keys in angle brackets, everything else as characters. */
function keys(text: string, from: Player = startPlayer(retried), on: Timeline = retried): Player {
  let player = from;
  for (const [, name, typed = ''] of text.matchAll(/<(\w+)>|([^<]+)/g))
    player = press(player, name === undefined ? { text: typed } : (name as Key), on, NOW);
  return player;
}

const versions = (player: Player) => retried.entries[player.index]?.step.row.version;
const screen = (player: Player, size: Size, log: LogExcerpt | null = null, on = retried) =>
  drawScreen(on, player, size, log).map((line) => line.map(({ text }) => text).join(''));

describe('keys move', () => {
  const last = retried.entries.length;
  test.each([
    ['<down><down>j', 4],
    ['<down>k<up><up>', 1],
    ['<end>', last],
    ['<end><home>', 1],
    ['<pageDown>', 11],
    ['<pageDown><pageUp>', 1],
    ['<right>', 3],
    ['sss', 6],
    ['sssS', 4],
    ['<end><left>', 14],
    ['f', 6],
    ['ff', 11],
    ['ffF', 6],
    ['a', 3],
    ['aa', 8],
    ['aaA', 3],
    ['e', 2],
    ['<down><down>x', 4],
    ['<down><down>xx', 5],
    ['/retrying<enter>', 8],
    ['/collect evidence<enter>', 11],
    ['/STACKING.fetching<enter>', 4],
    ['/stacking.fetching<enter>n', 9],
    ['/stacking.fetching<enter>nN', 4],
    ['<end>/retrying<enter>', 8],
    ['/retryingx<backspace><enter>', 8],
    ['/retrying<escape>', 1],
    [':testing<enter>', 1],
    [':publishing<enter>', 11],
    [':105<enter>', 5],
    [':+40s<enter>', 7],
    [':105\r', 5],
    [':2020-01-01<enter>', 1],
  ])('%s to row %i', (text, version) => {
    expect(versions(keys(text))).toBe(version);
  });

  test.each([
    ['<home>S', 'no earlier change of the state'],
    ['<end>f', 'no later failure'],
    ['n', 'nothing was searched yet: /'],
    ['/nowhere<enter>', 'no row with nowhere'],
    [':nowhere<enter>', 'job@1 has no state "nowhere"'],
    [':testing<enter>', 'the history was never in the state testing'],
    ['x', 'the row requests nothing that was answered'],
    ['Z', '? shows the keys'],
  ])('%s says: %s', (text, message) => {
    expect(keys(text).message).toBe(message);
    expect(screen(keys(text), { width: 80, height: 23 }).at(-1)).toBe(message);
  });

  test('of several that came together, each counts', () => {
    expect(versions(keys('jjj'))).toBe(4);
    expect(keys('jq')).toMatchObject({ index: 1, quits: true });
    expect(keys('/q')).toMatchObject({ quits: false, prompt: { kind: 'search', text: 'q' } });
    expect(keys('rr').reloads).toBe(2);
  });
});

describe('time', () => {
  const [first, second] = retried.entries.map(({ step }) => step.row.at);

  test('passes with the speed, and a row is shown when its time has come', () => {
    const playing = keys(' ');
    const before = tick(playing, (second ?? 0) - (first ?? 0) - 1, retried);
    expect(before).toMatchObject({ index: 0, moment: (second ?? 0) - 1, playing: true });
    expect(tick(before, 1, retried)).toMatchObject({ index: 1, moment: second });
    expect(tick(keys('+++ '), 100, retried).moment).toBe((first ?? 0) + 1000);
    expect(keys('+++++++++').speed).toBe(100);
    expect(keys('++++-').speed).toBe(10);
    expect(keys('---').speed).toBe(1);
  });

  test('stops at the last row, and starts again from the first', () => {
    const end = tick(keys(' '), 1e9, retried);
    expect(end).toMatchObject({ index: retried.entries.length - 1, playing: false });
    expect(keys(' ', end)).toMatchObject({ index: 0, playing: true });
  });

  test('stands still while it is paused, and a move sets it', () => {
    const paused = keys('  ');
    expect(tick(paused, 1e6, retried)).toBe(paused);
    expect(keys('<down>', tick(keys(' '), 1000, retried)).moment).toBe(second);
  });
});

describe('the screen', () => {
  const log = {
    title: 'log of stacking',
    lines: Array.from({ length: 30 }, (_, index) => `line ${index} ${'x'.repeat(90)}`),
  };

  test.each([
    [80, 24],
    [120, 40],
    [60, 16],
  ])('%i by %i', async (width, height) => {
    const views = ['<down><down>', '<end>', '<down><down>d', '?'].map((text) =>
      screen(keys(text), { width, height }, text === '<end>' ? log : null).join('\n'),
    );
    await expect(`${views.join(`\n${'='.repeat(width)}\n`)}\n`).toMatchFileSnapshot(
      `../../golden/player-${width}x${height}.txt`,
    );
  });

  const histories = recorded
    .filter((file) => file !== 'altered.jsonl')
    .flatMap((file) =>
      [...new Set(rowsOf(file).map(({ history }) => history))].map((name) => [file, name] as const),
    );

  test.each(histories)('fits for every row of %s, %s', (file, history) => {
    const whole = timeline(file.replace('.jsonl', ''), history);
    const all = whole.entries.map((_, index) => startPlayer(whole, index));
    for (const player of all) {
      for (const size of [
        { width: 80, height: 24 },
        { width: 41, height: 13 },
        { width: 200, height: 60 },
        { width: 20, height: 5 },
      ]) {
        const lines = screen(
          { ...player, view: player.index % 3 === 0 ? 'details' : 'panes' },
          size,
          log,
          whole,
        );
        expect(lines).toHaveLength(size.height);
        for (const line of lines) expect(textWidth(line)).toBeLessThanOrEqual(size.width);
      }
    }
  });

  test('marks the row, the state, what was walked, failures and attempts with characters', () => {
    const lines = screen(keys('ff'), { width: 80, height: 23 });
    expect(lines.filter((line) => line.startsWith('>!'))).toHaveLength(1);
    expect(lines.join('\n')).toMatch(/\| > {3}collecting/);
    expect(lines.join('\n')).toMatch(/\| \* booting 2x/);
    expect(lines.join('\n')).toMatch(/\n @.*retrying booting/);
  });

  test('shows no control character and no mark that reorders text', () => {
    const rows = rowsOf('review-crashed-the-daemon-twice.jsonl').filter(
      ({ history }) => history === 'review-1',
    );
    const hostile = timelineFrom(rows);
    const evil = 'a\u001b[2J\u202eb\u0007\u009b';
    const entries = hostile.entries.map((entry) => ({
      ...entry,
      step: {
        ...entry.step,
        row: { ...entry.step.row, type: 'daemon.crashed' as const, data: { during: evil, message: evil } },
        after: { ...entry.step.after, context: { [evil]: evil, outcome: [evil] } },
      },
    }));
    const on = { ...hostile, entries };
    for (const text of ['<down>', '<down>d', `/${evil}`, `:${evil}<enter>`]) {
      const lines = screen(keys(text, startPlayer(on), on), { width: 100, height: 40 }, null, on);
      expect(lines.join('')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
    expect(
      screen(keys('<down>d', startPlayer(on), on), { width: 100, height: 40 }, null, on).join(''),
    ).toContain('\\x1b[2J\\u202e');
  });

  test('says where the rows differ', () => {
    const altered = rowsOf('success.jsonl')
      .filter(({ history }) => history === 'job-1')
      .map((row) => (row.version === 4 ? { ...row, state: 'done' } : row));
    const on = timelineFrom(altered);
    expect(on.entries).toHaveLength(3);
    expect(screen(startPlayer(on), { width: 80, height: 24 }, null, on).at(-1)).toBe(
      'row 4 differs in state: sos-ci replay job-1',
    );
  });

  test('scrolls details and the log', () => {
    const small = { width: 80, height: 14 };
    const details = screen(keys('d'), small);
    expect(screen(keys('d<pageDown>'), small)[1]).toBe(details[11]);
    const end = screen(keys('l'), small, log);
    expect(end.at(-2)).toContain('xxx');
    expect(end[1]).toMatch(/^-- log of stacking/);
    expect(screen(keys('l<pageDown>'), small, log)[12]).toBe(end[2]);
    expect(scrollLimit(retried, keys('l'), small, log)).toBe(90 - 11);
    const first = screen(keys(`l${'<pageDown>'.repeat(9)}`), small, log);
    expect(first[2]).toMatch(/^line 0/);
    expect(scrollLimit(retried, keys('?'), { width: 80, height: 24 }, null)).toBe(0);
    expect(screen(keys('l'), small)[1]).toBe('no stage had begun by then');
  });
});
