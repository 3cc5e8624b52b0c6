/** `sos-ci alarms` lists alarms with their ids; `sos-ci alarms ack` acknowledges them through the daemon. */
import { createHash } from 'node:crypto';
import type { AlarmName, AlarmView, StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';

/** More than the store keeps. */
const MAX_ALARMS = 10_000;
const ID_LENGTH = 8;

export function alarmsCommand(io: Io, reader: StoreReader, options: { readonly json?: boolean }): number {
  const alarms = reader.alarms(MAX_ALARMS);
  if (options.json) printJson(io, { alarms: alarms.map(alarmJson) }, 'alarms');
  else if (alarms.length === 0) io.out('no alarms\n');
  else printTable(io, COLUMNS, alarms);
  return EXIT.ok;
}

/** @param alarm null: all. Exit code 1 when none was left to acknowledge */
export async function acknowledgeCommand(
  io: Io,
  send: SendRequest,
  alarm: AlarmName | null,
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'acknowledge', alarm });
  if (options.json) printJson(io, result);
  else io.out(`${count(result.acknowledged, 'alarm')} acknowledged\n`);
  return result.acknowledged > 0 ? EXIT.ok : EXIT.negative;
}

/** The alarm whose id starts with `id`. @throws CliError when there is none, or more than one */
export function findAlarm(reader: StoreReader, id: string): AlarmName {
  const found = reader.alarms(MAX_ALARMS).filter((alarm) => alarmId(alarm).startsWith(id));
  const [alarm, second] = found;
  if (id !== '' && alarm !== undefined && second === undefined)
    return { kind: alarm.kind, target: alarm.target };
  const what = second === undefined ? 'no alarm begins' : 'several alarms begin';
  throw new CliError(
    EXIT.usage,
    `${what} with ${plainText(JSON.stringify(id))}`,
    'list them: sos-ci alarms; or acknowledge all: sos-ci alarms ack --all',
  );
}

/** Stable: an alarm that is raised again keeps its id. */
function alarmId({ kind, target }: AlarmName): string {
  return createHash('sha256').update(`${kind} ${target}`).digest('hex').slice(0, ID_LENGTH);
}

export function alarmJson(alarm: AlarmView) {
  return {
    id: alarmId(alarm),
    ...alarm,
    firstAt: iso(alarm.firstAt),
    lastAt: iso(alarm.lastAt),
    clearedAt: iso(alarm.clearedAt),
    acknowledgedAt: iso(alarm.acknowledgedAt),
    acknowledgedBy: alarm.acknowledgedAt === null ? null : alarm.acknowledgedBy,
    acknowledgedWhy: alarm.acknowledgedAt === null ? null : alarm.acknowledgedWhy,
  };
}

/** Whether and when it was cleared or acknowledged; '' for an open alarm. */
export function alarmStatus({ clearedAt, acknowledgedAt, acknowledgedBy }: AlarmView): string {
  const acknowledged =
    acknowledgedAt === null ? [] : [`acknowledged by ${acknowledgedBy} ${utc(acknowledgedAt)}`];
  return [...(clearedAt === null ? [] : [`cleared ${utc(clearedAt)}`]), ...acknowledged].join(', ');
}

const COLUMNS: readonly Column<AlarmView>[] = [
  { title: 'ID', text: alarmId },
  { title: 'ALARM', text: ({ kind }) => kind },
  { title: 'TARGET', text: ({ target }) => target },
  { title: 'LAST (UTC)', text: ({ lastAt }) => utc(lastAt).slice(0, -4), dropOrder: 2 },
  { title: 'TIMES', text: ({ times }) => String(times), right: true, dropOrder: 1 },
  {
    title: 'STATUS',
    text: (alarm) => alarmStatus(alarm) || 'open',
    paint: (alarm) => (alarmStatus(alarm) === '' ? 'red' : null),
  },
  { title: 'MESSAGE', text: ({ message }) => message },
];
