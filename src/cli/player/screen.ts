/**
 * The player as lines for a screen of any size: left the rows, right the machine, below what the row did and the log of
 * its stage. Pure; without colours nothing is lost, because every mark is a character.
 */
import { formatDuration, formatSeconds } from '../../machines/model/duration.ts';
import type { StateTree } from '../../machines/protocol/version.ts';
import { plainText } from '../../terminal-text.ts';
import { topState } from '../output/state-spans.ts';
import { cut, padEnd, padStart, textWidth, wrap } from '../output/table.ts';
import { utc } from '../output/time.ts';
import { describeStep } from './describe-step.ts';
import { HELP, type Player } from './player.ts';
import { type Timeline, type TimelineEntry, type Visit, visitsOf } from './timeline.ts';

export type Style = 'bold' | 'dim' | 'red' | 'green' | 'yellow' | 'inverse';

/** Part of a line in one style. */
export interface Segment {
  readonly text: string;
  readonly style: Style | null;
}

export type Line = readonly Segment[];

export interface Size {
  readonly width: number;
  readonly height: number;
}

/** The end of a log at the moment that is shown; its lines are escaped. */
export interface LogExcerpt {
  readonly title: string;
  readonly lines: readonly string[];
}

const MIN: Size = { width: 40, height: 12 };
/** Lines of the log below all the rest, and of the details that are kept free for them. */
const LOG_LINES = 8;
const MIN_DETAILS = 7;

/** Exactly `height` lines, none wider than `width`. */
export function drawScreen(
  timeline: Timeline,
  player: Player,
  size: Size,
  log: LogExcerpt | null,
): readonly Line[] {
  const entry = timeline.entries[player.index];
  if (entry === undefined || size.width < MIN.width || size.height < MIN.height) {
    const text = `too small: the player needs ${MIN.width} columns and ${MIN.height} lines; q quits`;
    return fill([plain(cut(text, size.width))], size.height);
  }
  const body = { width: size.width, height: size.height - 2 };
  return [
    header(timeline, player, entry, size.width),
    ...fill(drawBody(timeline, player, entry, body, log), body.height),
    footer(player, size.width),
  ];
}

/** The most lines that the view can be scrolled by. */
export function scrollLimit(timeline: Timeline, player: Player, size: Size, log: LogExcerpt | null): number {
  const entry = timeline.entries[player.index];
  if (entry === undefined || player.view === 'panes') return 0;
  const room = size.height - 2 - viewTitle(player, size.width, log).length;
  return Math.max(0, wholeView(player, entry, size.width, log).length - room);
}

function drawBody(
  timeline: Timeline,
  player: Player,
  entry: TimelineEntry,
  size: Size,
  log: LogExcerpt | null,
): readonly Line[] {
  if (player.view === 'panes') return panes(timeline, player, entry, size, log);
  const title = viewTitle(player, size.width, log);
  const lines = wholeView(player, entry, size.width, log);
  const room = size.height - title.length;
  const last = Math.max(0, lines.length - room);
  const scroll = Math.min(player.scroll, last);
  // A log is read from its end.
  const first = player.view === 'log' ? last - scroll : scroll;
  return [...title, ...lines.slice(first, first + room)];
}

/** What stays above a view while it is scrolled. */
function viewTitle({ view }: Player, width: number, log: LogExcerpt | null): readonly Line[] {
  return view === 'log' && log !== null ? [[dim(rule(log.title, width))]] : [];
}

/** All lines of a view that fills the screen. */
function wholeView(
  { view, moment }: Player,
  entry: TimelineEntry,
  width: number,
  log: LogExcerpt | null,
): readonly Line[] {
  if (view === 'help')
    return HELP.map(([keys, effect]) => [bold(padEnd(keys, 20)), ...plain(cut(effect, width - 20))]);
  if (view === 'details') return detailSections(entry, moment, width).flat();
  if (log === null) return [plain('no stage had begun by then')];
  return log.lines.flatMap((line) => wrap(line, width)).map(plain);
}

function panes(
  timeline: Timeline,
  player: Player,
  entry: TimelineEntry,
  { width, height }: Size,
  log: LogExcerpt | null,
): readonly Line[] {
  const upper = Math.floor((height - 1) * 0.45);
  const left = Math.floor(width * 0.6);
  const right = width - left - 2;
  const rows = timelinePane(timeline, player, { width: left, height: upper });
  const visits = visitsOf(timeline, player.index, player.moment);
  const machine = machinePane(timeline.tree, visits, { width: right, height: upper });
  const below = height - upper - 1;
  const room = Math.max(1, Math.min(LOG_LINES, below - MIN_DETAILS - 1));
  const logLines = log === null ? 0 : Math.min(room, log.lines.length) + 1;
  return [
    ...rows.map((line, index): Line => [...padded(line, left), dim('| '), ...(machine[index] ?? [])]),
    [dim(rule(`row ${entry.step.row.version}, ${utc(entry.step.row.at)}`, width))],
    ...fill(
      fitSections(detailSections(entry, player.moment, width), { width, height: below - logLines }),
      below - logLines,
    ),
    ...(log === null ? [] : logBelow(log, logLines - 1, width)),
  ];
}

function header({ title, entries }: Timeline, player: Player, entry: TimelineEntry, width: number): Line {
  const next = entries[player.index + 1]?.step.row.at;
  const wait = next === undefined ? '' : `, next in ${formatSeconds(next - player.moment)}`;
  const start = entries[0]?.step.row.at ?? player.moment;
  const state = player.playing ? `playing ${player.speed}x` : `paused ${player.speed}x`;
  const place = `${player.index + 1}/${entries.length}  +${formatDuration(player.moment - start)}`;
  const right = `${entry.step.failed ? '! ' : ''}${place}  ${state}${player.playing ? wait : ''}`;
  const room = width - textWidth(right) - 2;
  if (room < 8) return [bold(cut(right, width))];
  return [bold(padEnd(cut(title, room), room + 2)), ...plain(right)];
}

function footer({ prompt, message }: Player, width: number): Line {
  if (prompt !== null) {
    const label = prompt.kind === 'search' ? '/' : 'go to row, time or state: ';
    const text = plainText(prompt.text);
    const room = width - label.length - 1;
    const end = textWidth(text) <= room ? text : `…${text.slice(1 - room)}`;
    return [bold(cut(`${label}${end}_`, width))];
  }
  if (message !== '') return [{ text: cut(plainText(message), width), style: 'yellow' }];
  return [
    dim(
      cut('? help  arrows move  space plays  / search  : go  f failure  a attempt  e effect  q quit', width),
    ),
  ];
}

function timelinePane({ entries }: Timeline, { index }: Player, { width, height }: Size): readonly Line[] {
  const first = windowStart(entries.length, index, height);
  return fill(
    entries.slice(first, first + height).map((entry, offset): Line => {
      const { time, text, entersState, step } = entry;
      const state = entersState ? `${topState(step.after.state)}: ` : '';
      const current = first + offset === index;
      const mark = `${current ? '>' : ' '}${step.failed ? '!' : step.beginsAttempt ? '@' : ' '}`;
      const line = cut(`${mark}${padStart(time, 12)} ${plainText(state)}${text}`, width - 1);
      return [{ text: line, style: current ? 'inverse' : step.failed ? 'red' : null }];
    }),
    height,
  );
}

/** The states as a tree: all if they fit, otherwise those inside the current one. The last line is the path. */
function machinePane(tree: StateTree, visits: readonly Visit[], { width, height }: Size): readonly Line[] {
  const current = visits.at(-1)?.state ?? '';
  const all = flatten(tree, () => true);
  const shown = all.length < height ? all : flatten(tree, ({ path }) => isWithin(current, path));
  const at = Math.max(
    0,
    shown.findLastIndex(({ path }) => isWithin(current, path)),
  );
  const first = windowStart(shown.length, at, height - 1);
  const lines = shown.slice(first, first + height - 1).map(({ path, name }): Line => {
    const stays = visits.filter(({ state }) => isWithin(state, path));
    const entered = visits.filter(
      ({ state }, index) => isWithin(state, path) && !isWithin(visits[index - 1]?.state ?? '', path),
    );
    const mark = path === current ? '>' : isWithin(current, path) ? '-' : stays.length > 0 ? '*' : ' ';
    const spent = stays.reduce((total, { from, to }) => total + to - from, 0);
    const times = entered.length > 1 ? ` ${entered.length}x` : '';
    const note = stays.length > 0 ? `${times} ${formatDuration(spent)}` : '';
    const text = cut(`${mark} ${'  '.repeat(path.split('.').length - 1)}${plainText(name)}${note}`, width);
    return [{ text, style: isWithin(current, path) ? 'bold' : stays.length > 0 ? null : 'dim' }];
  });
  return [...fill(lines, height - 1), [dim(pathLine(visits, width))]];
}

/** The top-level states in the order of the visits; the oldest are left out if they do not fit. */
function pathLine(visits: readonly Visit[], width: number): string {
  const states: string[] = [];
  for (const { state } of visits) if (states.at(-1) !== topState(state)) states.push(topState(state));
  const all = states.length;
  const text = () => plainText(`${states.length < all ? '… > ' : ''}${states.join(' > ')}`);
  while (states.length > 1 && textWidth(text()) > width) states.shift();
  return cut(text(), width);
}

function flatten({ states }: StateTree, opens: (state: StateTree) => boolean): readonly StateTree[] {
  return states.flatMap((state) => [state, ...(opens(state) ? flatten(state, opens) : [])]);
}

/** True if the state is this one or inside it. */
function isWithin(state: string, path: string): boolean {
  return state === path || state.startsWith(`${path}.`);
}

/** One list of lines for each kind of fact, wrapped. */
function detailSections(entry: TimelineEntry, moment: number, width: number): readonly (readonly Line[])[] {
  const { event, ...lists } = describeStep(entry.step, moment);
  const sections: readonly (readonly [string, readonly string[]])[] = [
    ['event', [event]],
    ...Object.entries(lists),
  ];
  return sections.map(([name, texts]) =>
    texts
      .flatMap((text) => wrap(text, width - 11))
      .map((line, index): Line => {
        const label = dim(padEnd(index === 0 ? name : '', 11));
        return [label, { text: line, style: name === 'event' && entry.step.failed ? 'red' : null }];
      }),
  );
}

/** Shortens the longest sections until all of them fit; the last line of a shortened one says how much is missing. */
function fitSections(sections: readonly (readonly Line[])[], { width, height }: Size): readonly Line[] {
  const lengths = sections.map(({ length }) => length);
  const sum = () => lengths.reduce((total, length) => total + length, 0);
  while (sum() > height) {
    const longest = Math.max(...lengths);
    if (longest <= 1) break;
    lengths[lengths.lastIndexOf(longest)] = longest - 1;
  }
  return sections
    .flatMap((lines, index) => {
      const kept = lengths[index] ?? 0;
      if (kept === lines.length) return lines;
      const last = lines[kept - 1] ?? [];
      const more = ` … ${lines.length - kept} more: d`;
      return [...lines.slice(0, kept - 1), [...shortened(last, width - textWidth(more)), dim(more)]];
    })
    .slice(0, Math.max(0, height));
}

function shortened(line: Line, width: number): Line {
  let left = width;
  return line.map(({ text, style }) => {
    const kept = cut(text, Math.max(1, left));
    left -= textWidth(kept);
    return { text: kept, style };
  });
}

function logBelow({ title, lines }: LogExcerpt, height: number, width: number): readonly Line[] {
  const end = height === 0 ? [] : lines.slice(-height);
  return [[dim(rule(title, width))], ...end.map((line) => plain(cut(line, width)))];
}

/** The first of `height` items that are shown, with `index` among them, in the middle where possible. */
function windowStart(count: number, index: number, height: number): number {
  return Math.max(0, Math.min(count - height, index - Math.floor(height / 2)));
}

function rule(title: string, width: number): string {
  const text = cut(`-- ${title} `, width);
  return text + '-'.repeat(Math.max(0, width - textWidth(text)));
}

function fill(lines: readonly Line[], height: number): readonly Line[] {
  return [...lines.slice(0, height), ...Array.from({ length: Math.max(0, height - lines.length) }, () => [])];
}

function padded(line: Line, width: number): Line {
  const used = line.reduce((total, { text }) => total + textWidth(text), 0);
  return [...line, ...plain(' '.repeat(Math.max(0, width - used)))];
}

function plain(text: string): Line {
  return [{ text, style: null }];
}

function bold(text: string): Segment {
  return { text, style: 'bold' };
}

function dim(text: string): Segment {
  return { text, style: 'dim' };
}
