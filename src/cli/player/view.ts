/**
 * The player on a terminal, drawn with Ink on the alternate screen. The terminal is restored however the player ends:
 * quit, Ctrl-C, an error, a signal.
 */
import { writeSync } from 'node:fs';
import { type Key as InkKey, render, Text, useApp, useInput, useStdout } from 'ink';
import { createElement, useCallback, useEffect, useState } from 'react';
import { every } from '../../timer.ts';
import { EXIT } from '../output/exit-codes.ts';
import { KEYS, type Key, type Player, press, startPlayer, tick } from './player.ts';
import { drawScreen, type Line, type LogExcerpt, type Size, type Style, scrollLimit } from './screen.ts';
import type { Timeline } from './timeline.ts';

export interface PlayerSource {
  readonly first: Timeline;
  /** Reads the history again. */
  load(): Timeline;
  /** Null: no stage had begun by then. Never rejects. */
  readLog(timeline: Timeline, player: Player): Promise<LogExcerpt | null>;
  now(): number;
}

const ENTER_SCREEN = '\u001b[?1049h\u001b[H';
const LEAVE_SCREEN = '\u001b[?25h\u001b[?1049l';
const CLEAR_SCREEN = '\u001b[2J\u001b[H';
/** While it plays. */
const FRAME_MS = 100;
const SIGNALS = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/** Plays until it is quit. Returns the exit code. */
export async function playOnTerminal(source: PlayerSource, start: number, color: boolean): Promise<number> {
  const { stdout } = process;
  process.once('exit', restore);
  stdout.write(ENTER_SCREEN);
  let exitCode: number = EXIT.ok;
  const interrupt = () => {
    exitCode = EXIT.interrupted;
  };
  const view = createElement(PlayerScreen, { source, start, color, interrupt });
  const app = render(view, { exitOnCtrlC: false, patchConsole: false, stdout: keepScrollback(stdout) });
  let signal: NodeJS.Signals | null = null;
  const end = (name: NodeJS.Signals) => {
    signal = name;
    app.unmount();
  };
  for (const name of SIGNALS) process.on(name, end);
  try {
    await app.waitUntilExit();
  } finally {
    for (const name of SIGNALS) process.off(name, end);
    process.off('exit', restore);
    restore();
  }
  // Without a handler, ours or a library's, the signal ends the process, as its sender expects.
  if (signal !== null) {
    process.removeAllListeners(signal);
    process.kill(process.pid, signal);
  }
  return exitCode;
}

function restore(): void {
  try {
    writeSync(process.stdout.fd, LEAVE_SCREEN);
  } catch {
    // The terminal is gone.
  }
}

/** Ink erases the scrollback too when it clears the screen; the scrollback belongs to the user. */
function keepScrollback(stdout: NodeJS.WriteStream): NodeJS.WriteStream {
  const write = (text: string, written?: () => void) =>
    stdout.write(text.replaceAll('\u001b[3J', ''), written);
  return new Proxy(stdout, {
    get: (target, name) => {
      if (name === 'write') return write;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}

interface ScreenProps {
  readonly source: PlayerSource;
  readonly start: number;
  readonly color: boolean;
  /** Called before it ends on Ctrl-C. */
  interrupt(): void;
}

function PlayerScreen({ source, start, color, interrupt }: ScreenProps) {
  const { exit } = useApp();
  const size = useSize();
  // One line less than the terminal has, so that nothing scrolls.
  const drawn = { ...size, height: size.height - 1 };
  const [timeline, setTimeline] = useState(source.first);
  const [player, setPlayer] = useState(() => startPlayer(source.first, start));
  const log = useLog(source, timeline, player);
  useInput((input, key) => {
    if (key.ctrl && input === 'c') {
      interrupt();
      return exit();
    }
    const typed = keyOf(input, key);
    if (typed === null) return;
    setPlayer((current) => {
      const next = press(current, typed, timeline, source.now());
      return { ...next, scroll: Math.min(next.scroll, scrollLimit(timeline, next, drawn, log)) };
    });
  });
  useEffect(() => {
    if (!player.playing) return;
    return every(FRAME_MS, () => setPlayer((current) => tick(current, FRAME_MS, timeline)));
  }, [player.playing, timeline]);
  useEffect(() => {
    if (player.quits) exit();
  }, [player.quits, exit]);
  useEffect(() => {
    if (player.reloads === 0) return;
    const again = source.load();
    setTimeline(again);
    setPlayer((current) => ({
      ...current,
      index: Math.min(current.index, again.entries.length - 1),
      message: `${again.entries.length} rows were read`,
    }));
  }, [player.reloads, source]);
  const lines = drawScreen(timeline, player, drawn, log);
  return lines.map((line, index) => drawLine(line, index, color));
}

function useSize(): Size {
  const { stdout } = useStdout();
  const read = useCallback(() => ({ width: stdout.columns || 80, height: stdout.rows || 24 }), [stdout]);
  const [size, setSize] = useState(read);
  useEffect(() => {
    const resized = () => {
      stdout.write(CLEAR_SCREEN);
      setSize(read());
    };
    stdout.on('resize', resized);
    return () => void stdout.off('resize', resized);
  }, [stdout, read]);
  return size;
}

/** The log of the moment that is shown; an answer that comes too late is dropped. */
function useLog(source: PlayerSource, timeline: Timeline, player: Player): LogExcerpt | null {
  const [log, setLog] = useState<LogExcerpt | null>(null);
  const { index, moment } = player;
  useEffect(() => {
    let isCurrent = true;
    void source.readLog(timeline, { ...startPlayer(timeline, index), moment }).then((found) => {
      if (isCurrent) setLog(found);
    });
    return () => {
      isCurrent = false;
    };
  }, [source, timeline, index, moment]);
  return log;
}

const STYLES: Readonly<Record<Style, object>> = {
  bold: { bold: true },
  dim: { dimColor: true },
  red: { color: 'red' },
  green: { color: 'green' },
  yellow: { color: 'yellow' },
  inverse: { inverse: true },
};

function drawLine(line: Line, index: number, color: boolean) {
  const segments = line.map(({ text, style }, position) =>
    createElement(Text, { key: position, ...(color && style !== null ? STYLES[style] : {}) }, text),
  );
  return createElement(Text, { key: index, wrap: 'truncate' }, ...segments, line.length === 0 ? ' ' : '');
}

/** Null: a key that means nothing here. */
function keyOf(input: string, key: InkKey): Key | { readonly text: string } | null {
  const named = KEYS.find((name) => pressed(name, key));
  if (named !== undefined) return named;
  return key.ctrl || key.meta || input === '' ? null : { text: input };
}

function pressed(name: Key, key: InkKey): boolean {
  switch (name) {
    case 'up':
      return key.upArrow;
    case 'down':
      return key.downArrow;
    case 'left':
      return key.leftArrow;
    case 'right':
      return key.rightArrow;
    case 'enter':
      return key.return;
    // Terminals send DEL for the backspace key, which Ink calls delete.
    case 'backspace':
      return key.backspace || key.delete;
    default:
      return key[name];
  }
}
