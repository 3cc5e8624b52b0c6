/** `sos-ci clean` lets a janitor clean, `sos-ci janitors` lists all of them with their last cleaning. */
import type { DaemonView, JanitorView, StoreReader } from '../../engine/ports/store.ts';
import { lastCleanings } from '../../machines/janitor/cleanings.ts';
import { formatDuration, formatLimit } from '../../machines/model/duration.ts';
import type { CleaningStatus } from '../../machines/protocol/version.ts';
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { timeLeft } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { causeText } from '../output/janitor.ts';
import { printField } from '../output/table.ts';
import { type Io, type Paint, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { whyBackendsAreBusy } from './queue.ts';

export interface JanitorsOptions {
  readonly json?: boolean;
}

/** A janitor of the last daemon's configuration, or one that was removed and has an open cleaning. */
export interface Janitor extends JanitorView {
  readonly last: CleaningStatus | null;
  /** The next time of its schedule, epoch ms. */
  readonly nextAt: number | null;
  /** Why an open cleaning waits; '' if it does not. */
  readonly waits: string;
}

export async function cleanCommand(
  io: Io,
  send: SendRequest,
  janitor: string,
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'clean', janitor });
  if (options.json) printJson(io, result);
  else {
    const { cleaning, backends } = result;
    io.out(`janitor ${plainText(janitor)} cleans as soon as no job uses ${plainText(backends.join(', '))}\n`);
    io.out(`what it does: sos-ci janitors; sos-ci history ${cleaning}\n`);
  }
  return EXIT.ok;
}

export async function janitorsCommand(
  io: Io,
  reader: StoreReader,
  options: JanitorsOptions,
): Promise<number> {
  const janitors = await readJanitors(io, reader);
  if (options.json) printJson(io, { janitors: janitors.map(janitorJson) }, 'janitors');
  else if (janitors.length === 0) io.out('no janitors\n');
  else for (const janitor of janitors) printJanitor(io, janitor);
  return EXIT.ok;
}

export async function readJanitors(io: Io, reader: StoreReader): Promise<readonly Janitor[]> {
  const daemon = reader.daemon();
  const configured = daemon?.janitors ?? [];
  const last = lastCleanings(reader);
  const names = configured.map(({ name }) => name);
  const removed = [...last.values()]
    .filter(({ janitor, phase }) => phase !== 'ended' && !names.includes(janitor))
    .map(({ janitor: name, backends }) => ({ name, backends, idleMs: null, schedule: null, above: null }));
  const janitors = [...configured, ...removed].map(async (view) => {
    const cleaning = last.get(view.name) ?? null;
    const waits = cleaning?.phase === 'waiting' ? whyBackendsAreBusy(io, reader, cleaning.cleaning) : '';
    return { ...view, last: cleaning, nextAt: await nextAt(view, cleaning, daemon), waits };
  });
  return Promise.all(janitors);
}

/** As the daemon computes it. */
async function nextAt(
  { schedule }: JanitorView,
  last: CleaningStatus | null,
  daemon: DaemonView | null,
): Promise<number | null> {
  if (schedule === null || (last !== null && last.endedAt === null)) return null;
  const { nextTime } = await import('../../config/fields/schedule.ts');
  return nextTime(schedule, last?.endedAt ?? daemon?.startedAt ?? 0);
}

/** For `sos-ci status`: one line for each janitor that is at work or did not clean. */
export function janitorLines(janitors: readonly Janitor[], now: number): readonly string[] {
  return janitors.flatMap(({ name, last, waits }) =>
    last === null || last.outcome === 'succeeded' ? [] : [`${name} ${stateText(last, waits, now)}`],
  );
}

function stateText(last: CleaningStatus, waits: string, now: number): string {
  const { phase, requestedAt, startedAt, endedAt, outcome, attempt } = last;
  const tries = attempt > 1 ? `, attempt ${attempt}` : '';
  const since = (at: number) => `for ${formatDuration(now - at)}`;
  switch (phase) {
    case 'waiting':
      return `waits ${since(requestedAt)}${waits === '' ? '' : `: ${waits}`}`;
    case 'running':
      return `cleans ${since(startedAt ?? requestedAt)}${tries}`;
    case 'stopping':
      return `is being stopped: ${last.reason}`;
    case 'ended': {
      const took = startedAt === null ? '' : ` in ${formatDuration((endedAt ?? 0) - startedAt)}`;
      const end = outcome === 'not-run' ? 'did not run' : `${outcome}${took}`;
      return `${end}, ${utc(endedAt ?? 0)}${last.reason === '' ? '' : `: ${last.reason}`}`;
    }
  }
}

function printJanitor(io: Io, janitor: Janitor): void {
  const { name, backends, last, waits } = janitor;
  const noun = backends.length === 1 ? 'back end' : 'back ends';
  io.out(`${paint(io, 'bold', plainText(name))}  ${plainText(`${noun} ${backends.join(', ')}`)}\n`);
  printField(io, 'when', whenText(janitor, io.now()));
  if (last === null) {
    printField(io, 'last', 'it has not cleaned yet');
    return;
  }
  const label = last.phase === 'ended' ? 'last' : 'now';
  printField(io, label, stateText(last, waits, io.now()), paintOf(last));
  printField(io, 'cause', causeText(last.cause));
  // The path on the daemon's host: the state directory may have another name here.
  if (last.attempt > 0)
    printField(io, 'output', `STATE-DIR/janitors/${name}/${last.cleaning}.${last.attempt}/log`);
  printField(io, 'story', `sos-ci history ${last.cleaning}`);
}

function paintOf({ outcome }: CleaningStatus): Paint | undefined {
  if (outcome === null) return undefined;
  return outcome === 'succeeded' ? 'green' : 'red';
}

function whenText({ idleMs, schedule, nextAt: next, above }: Janitor, now: number): string {
  const parts = [
    ...(idleMs === null ? [] : [`idle for ${formatLimit(idleMs)}`]),
    ...(schedule === null ? [] : [next === null ? schedule : `${schedule} (next ${timeLeft(next, now)})`]),
    ...(above === null ? [] : [`more than ${above}`]),
  ];
  return parts.length === 0 ? 'on request' : parts.join('; ');
}

/** Documented in docs/cli.md. */
export function janitorJson({ last, nextAt: next, ...rest }: Janitor) {
  return {
    ...rest,
    nextAt: next === null ? null : iso(next),
    last: last === null ? null : cleaningJson(last),
  };
}

function cleaningJson({ janitor: _, backends: __, ...cleaning }: CleaningStatus) {
  const { requestedAt, startedAt, endedAt, cause } = cleaning;
  const time = (at: number | null) => (at === null ? null : iso(at));
  return {
    ...cleaning,
    cause: { ...cause, text: causeText(cause) },
    requestedAt: iso(requestedAt),
    startedAt: time(startedAt),
    endedAt: time(endedAt),
  };
}
