/** `sos-ci replay ID --step`: plays a history on the terminal, row by row, with the log of the stage that ran. */
import { join } from 'node:path';
import { sha256 } from '../../app/database-admin.ts';
import { readStageLog } from '../../app/stage-log.ts';
import { errorText } from '../../errors.ts';
import { replayRows } from '../../machines/replay-rows.ts';
import { plainText } from '../../terminal-text.ts';
import { withSource } from '../input/history-source.ts';
import { configFile, namedStateDirectory } from '../input/open-store.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { iso } from '../output/time.ts';
import type { Player } from '../player/player.ts';
import type { LogExcerpt } from '../player/screen.ts';
import { type Timeline, timelineOf } from '../player/timeline.ts';
import { printDifference } from './replay.ts';
import { foundRow, type MomentOptions } from './replay-moment.ts';

/** Exit code 0 when it is quit, 130 after Ctrl-C, 1 if the first row already differs. @throws CliError */
export async function replayStepCommand(
  io: Io,
  typed: string | undefined,
  options: MomentOptions,
): Promise<number> {
  if (options.json || options.all)
    throw new CliError(
      EXIT.usage,
      'use --step without --json and --all',
      'as JSON: sos-ci replay ID --at 4711 --json',
    );
  const { stdin, stdout, env } = process;
  if (!stdin.isTTY || !stdout.isTTY || env.TERM === 'dumb')
    throw new CliError(
      EXIT.usage,
      '--step needs a terminal',
      'show one moment: sos-ci replay ID --until testing',
    );
  return withSource(options, async (source) => {
    const read = () => source.rows(typed);
    const rows = read();
    const start =
      options.at === undefined && options.until === undefined ? 0 : foundRow(rows, options, io.now()).index;
    const replayed = replayRows(rows, sha256);
    if (replayed.steps.length === 0 && replayed.difference !== null) {
      printDifference(io, replayed.difference);
      return EXIT.negative;
    }
    // React is several times slower in development.
    env.NODE_ENV = 'production';
    // Where these say that it runs in CI, Ink writes only its last frame.
    for (const name of ['CI', 'CONTINUOUS_INTEGRATION']) delete env[name];
    const { playOnTerminal } = await import('../player/view.ts');
    const directories = options.file === undefined ? await logDirectories(options) : null;
    const playback = {
      first: timelineOf(replayed),
      load: () => timelineOf(replayRows(read(), sha256)),
      readLog: (timeline: Timeline, player: Player) => excerptOf(timeline, player, directories),
      now: () => io.now(),
    };
    return playOnTerminal(playback, Math.min(start, replayed.steps.length - 1), io.color);
  });
}

interface LogDirectories {
  readonly stateDir: string;
  readonly publishedDir: string;
}

/** Without a readable configuration, logs are where they are by default. */
async function logDirectories(options: MomentOptions): Promise<LogDirectories> {
  const stateDir = await namedStateDirectory(options);
  const byDefault = { stateDir, publishedDir: join(stateDir, 'logs') };
  try {
    const { loadConfig } = await import('../../config/load.ts');
    const { logs } = loadConfig(configFile(options));
    return logs.destination.type === 'directory'
      ? { stateDir, publishedDir: logs.destination.dir }
      : byDefault;
  } catch {
    return byDefault;
  }
}

async function excerptOf(
  { entries }: Timeline,
  { index, moment }: Player,
  directories: LogDirectories | null,
): Promise<LogExcerpt | null> {
  const run = entries[index]?.stage ?? null;
  if (run === null) return null;
  const name = `${run.stage} of attempt ${run.job.attempt}`;
  if (directories === null) return { title: `the log of ${name} is not in the archive file`, lines: [] };
  try {
    const hasEnded = run.endedAt !== null && moment >= run.endedAt;
    const log = await readStageLog({ ...directories, ...run, moment: hasEnded ? null : moment });
    if (log === null) return { title: `the log of ${name} is not on this host`, lines: [] };
    const at = hasEnded
      ? 'its end'
      : log.isTimed
        ? `up to ${iso(moment)}`
        : 'its newest lines; they have no times';
    return { title: `log of ${name}, ${at}`, lines: log.lines.map(plainText) };
  } catch (thrown) {
    return { title: plainText(`the log of ${name} cannot be read: ${errorText(thrown)}`), lines: [] };
  }
}
