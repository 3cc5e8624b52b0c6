/**
 * The player's core: where it is in a history, what a key does, and how time passes. Pure, so that any view can use it.
 */
import { findMoment, findState } from './find-row.ts';
import type { Timeline, TimelineEntry } from './timeline.ts';

/** What fills the screen: everything, or only one part of it. */
export type PlayerView = 'panes' | 'details' | 'log' | 'help';

export interface Player {
  readonly index: number;
  /** The moment that is shown, at or after the row. Epoch ms. */
  readonly moment: number;
  readonly playing: boolean;
  readonly speed: number;
  readonly view: PlayerView;
  /** Lines that the view is scrolled by. */
  readonly scroll: number;
  /** What is being typed; null: nothing. */
  readonly prompt: { readonly kind: 'search' | 'go'; readonly text: string } | null;
  /** The newest search, in lower case; '': none. */
  readonly search: string;
  /** The answer to the newest key; '': none. */
  readonly message: string;
  readonly quits: boolean;
  /** How often the history is to be read again. */
  readonly reloads: number;
}

/** Keys that are not characters. */
export const KEYS = [
  'up',
  'down',
  'left',
  'right',
  'pageUp',
  'pageDown',
  'home',
  'end',
  'enter',
  'escape',
  'backspace',
  'tab',
] as const;
export type Key = (typeof KEYS)[number];

const SPEEDS: readonly number[] = [1, 2, 5, 10, 20, 50, 100];
/** A page of rows, or of lines. */
const PAGE = 10;
const MAX_PROMPT = 200;

export function startPlayer(timeline: Timeline, index = 0): Player {
  const moment = timeline.entries[index]?.step.row.at ?? 0;
  const speed = SPEEDS[0] ?? 1;
  return {
    ...{ index, moment, playing: false, speed, view: 'panes', scroll: 0, prompt: null, search: '' },
    ...{ message: timeline.difference ?? '', quits: false, reloads: 0 },
  };
}

/** @param typed characters, several if they came together; or the name of another key */
export function press(
  player: Player,
  typed: Key | { readonly text: string },
  timeline: Timeline,
  now: number,
): Player {
  if (typeof typed === 'string') return pressOne(player, typed, timeline, now);
  let pressed = player;
  for (const text of typed.text)
    pressed = pressOne(pressed, text === '\r' || text === '\n' ? 'enter' : { text }, timeline, now);
  return pressed;
}

function pressOne(
  player: Player,
  typed: Key | { readonly text: string },
  timeline: Timeline,
  now: number,
): Player {
  const calm = { ...player, message: '' };
  if (calm.prompt !== null) return typeInto(calm, calm.prompt, typed, timeline, now);
  const action = typeof typed === 'string' ? MOVES[typed] : CHARACTERS[typed.text];
  return action === undefined ? { ...calm, message: '? shows the keys' } : action(calm, timeline);
}

/** Time passes while it plays; it stops at the last row. */
export function tick(player: Player, elapsedMs: number, { entries }: Timeline): Player {
  if (!player.playing) return player;
  const end = entries.at(-1)?.step.row.at ?? player.moment;
  const moment = Math.min(end, player.moment + elapsedMs * player.speed);
  const index = Math.max(
    player.index,
    entries.findLastIndex(({ step }) => step.row.at <= moment),
  );
  return { ...player, index, moment, playing: moment < end };
}

type Action = (player: Player, timeline: Timeline) => Player;

const row = (offset: number): Action => {
  return (player, timeline) => moveTo(player, timeline, player.index + offset);
};
const page = (offset: number): Action => {
  return (player, timeline) =>
    player.view === 'panes'
      ? moveTo(player, timeline, player.index + offset)
      : { ...player, scroll: Math.max(0, player.scroll + offset) };
};
const show = (view: PlayerView): Action => {
  return (player) => ({ ...player, view: player.view === view ? 'panes' : view, scroll: 0 });
};
const jump = (what: string, direction: 1 | -1, matches: (entry: TimelineEntry) => boolean): Action => {
  return (player, timeline) => {
    const index = search(timeline, player.index, direction, matches);
    if (index !== null) return moveTo(player, timeline, index);
    return { ...player, message: `no ${direction === 1 ? 'later' : 'earlier'} ${what}` };
  };
};
const changeSpeed = (offset: number): Action => {
  return (player) => {
    const index = SPEEDS.indexOf(player.speed) + offset;
    return { ...player, speed: SPEEDS[Math.min(SPEEDS.length - 1, Math.max(0, index))] ?? player.speed };
  };
};
const ask = (kind: 'search' | 'go'): Action => {
  return (player) => ({ ...player, playing: false, prompt: { kind, text: '' } });
};
const again = (direction: 1 | -1): Action => {
  return (player, timeline) =>
    player.search === ''
      ? { ...player, message: 'nothing was searched yet: /' }
      : jump(`row with ${player.search}`, direction, ({ searched }) => searched.includes(player.search))(
          player,
          timeline,
        );
};
const toState = (direction: 1 | -1) =>
  jump('change of the state', direction, ({ entersState }) => entersState);
const toFailure = (direction: 1 | -1) => jump('failure', direction, ({ step }) => step.failed);
const toAttempt = (direction: 1 | -1) => jump('attempt', direction, ({ step }) => step.beginsAttempt);
const toEffect = (direction: 1 | -1) => jump('effect', direction, ({ hasEffects }) => hasEffects);
const play: Action = (player, timeline) => {
  const atEnd = player.index === timeline.entries.length - 1;
  if (player.playing || !atEnd) return { ...player, playing: !player.playing };
  return { ...moveTo(player, timeline, 0), playing: timeline.entries.length > 1 };
};

const MOVES: Readonly<Partial<Record<Key, Action>>> = {
  up: row(-1),
  down: row(1),
  left: toState(-1),
  right: toState(1),
  pageUp: page(-PAGE),
  pageDown: page(PAGE),
  home: (player, timeline) => moveTo(player, timeline, 0),
  end: (player, timeline) => moveTo(player, timeline, timeline.entries.length - 1),
  enter: show('panes'),
  escape: (player) => ({ ...player, view: 'panes', scroll: 0, playing: false }),
  tab: (player, timeline) => show(NEXT_VIEW[player.view])(player, timeline),
};

const NEXT_VIEW = { panes: 'details', details: 'log', log: 'panes', help: 'panes' } as const;

const CHARACTERS: Readonly<Record<string, Action>> = {
  k: row(-1),
  j: row(1),
  s: toState(1),
  S: toState(-1),
  f: toFailure(1),
  F: toFailure(-1),
  a: toAttempt(1),
  A: toAttempt(-1),
  e: toEffect(1),
  E: toEffect(-1),
  x: otherEnd,
  n: again(1),
  N: again(-1),
  '/': ask('search'),
  ':': ask('go'),
  ' ': play,
  '+': changeSpeed(1),
  '-': changeSpeed(-1),
  d: show('details'),
  l: show('log'),
  '?': show('help'),
  r: (player) => ({ ...player, reloads: player.reloads + 1 }),
  q: (player) => ({ ...player, quits: true }),
};

/** What the help says; a view draws it. */
export const HELP: readonly (readonly [keys: string, effect: string])[] = [
  ['up, down, k, j', 'the row before or after'],
  ['page up, page down', 'ten rows; in details and log: ten lines'],
  ['home, end', 'the first or the last row'],
  ['right, left, s, S', 'the next or the previous change of the state'],
  ['f, F', 'the next or the previous failure'],
  ['a, A', 'the next or the previous attempt'],
  ['e, E', 'the next or the previous row with an effect'],
  ['x', 'from a request to its answer, and back'],
  ['/, n, N', 'search in events, states and effects; next, previous'],
  [':', 'go to a row of the log, a time, +1h30m, or a state'],
  ['space', 'play, pause'],
  ['+, -', 'faster, slower: 1x to 100x'],
  ['d, l, tab', 'only the details, only the log of the stage; all again'],
  ['r', 'read the history again'],
  ['q, Ctrl-C', 'quit'],
];

function moveTo(player: Player, { entries }: Timeline, wanted: number): Player {
  const index = Math.min(entries.length - 1, Math.max(0, wanted));
  const scroll = index === player.index ? player.scroll : 0;
  return { ...player, index, scroll, moment: entries[index]?.step.row.at ?? player.moment };
}

function search(
  { entries }: Timeline,
  from: number,
  direction: 1 | -1,
  matches: (entry: TimelineEntry) => boolean,
): number | null {
  for (let index = from + direction; index >= 0 && index < entries.length; index += direction) {
    const entry = entries[index];
    if (entry !== undefined && matches(entry)) return index;
  }
  return null;
}

/** From a row that settles an effect to the one that requested it; otherwise to the answer of its first request. */
function otherEnd(player: Player, timeline: Timeline): Player {
  const step = timeline.entries[player.index]?.step;
  if (step === undefined) return player;
  const { settled, row } = step;
  const requested = row.effects.flatMap((effect) => ('key' in effect ? [effect.key] : []));
  const answer = timeline.entries.findIndex(
    (entry, index) => index > player.index && requested.includes(entry.step.settled?.effect.key ?? ''),
  );
  const request = timeline.entries.findIndex((entry) => entry.step.row.version === settled?.version);
  const index = answer === -1 ? request : answer;
  return index === -1
    ? { ...player, message: 'the row requests nothing that was answered' }
    : moveTo(player, timeline, index);
}

function typeInto(
  player: Player,
  prompt: NonNullable<Player['prompt']>,
  typed: Key | { readonly text: string },
  timeline: Timeline,
  now: number,
): Player {
  if (typeof typed !== 'string') {
    const text = `${prompt.text}${typed.text}`.slice(0, MAX_PROMPT);
    return { ...player, prompt: { ...prompt, text } };
  }
  if (typed === 'backspace' && prompt.text !== '')
    return { ...player, prompt: { ...prompt, text: prompt.text.slice(0, -1) } };
  const closed = { ...player, prompt: null };
  if (typed === 'escape' || typed === 'backspace') return closed;
  if (typed !== 'enter') return player;
  return prompt.kind === 'search'
    ? searchFor(closed, timeline, prompt.text.toLowerCase())
    : go(closed, timeline, prompt.text.trim(), now);
}

/** From here on, then from the beginning. An empty text repeats the search. */
function searchFor(player: Player, timeline: Timeline, text: string): Player {
  if (text === '') return again(1)(player, timeline);
  const matches = ({ searched }: TimelineEntry) => searched.includes(text);
  const found = search(timeline, player.index, 1, matches) ?? search(timeline, -1, 1, matches);
  const searching = { ...player, search: text };
  return found === null
    ? { ...searching, message: `no row with ${text}` }
    : moveTo(searching, timeline, found);
}

function go(player: Player, timeline: Timeline, text: string, now: number): Player {
  const rows = timeline.entries.map(({ step }) => step.row);
  const isMoment = /^[+\d]/.test(text);
  const found = isMoment ? findMoment(rows, text, now) : findState(rows, text);
  if (!('index' in found)) return { ...player, message: found.problem };
  const end = timeline.entries.at(-1)?.step.row.at ?? found.at;
  return { ...moveTo(player, timeline, found.index), moment: Math.min(found.at, end) };
}
