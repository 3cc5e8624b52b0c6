/** `sos-ci hold` keeps a job's server for debugging, `sos-ci release` ends that, `sos-ci holds` lists open holds. */
import type { OperatorRequest } from '../../engine/ports/operator-api.ts';
import type { StoreReader } from '../../engine/ports/store.ts';
import { openHolds } from '../../machines/hold/open-holds.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { HoldStatus } from '../../machines/protocol/version.ts';
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { tryParseChange } from '../input/parse-change.ts';
import { parseTarget } from '../input/parse-target.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { endText, targetText } from '../output/hold.ts';
import { printField } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso } from '../output/time.ts';

type HoldRequest = Extract<OperatorRequest, { do: 'hold' }>;
type ReleaseRequest = Extract<OperatorRequest, { do: 'release' }>;

export interface HoldsOptions {
  readonly json?: boolean;
  readonly utc?: boolean;
}

export async function holdCommand(
  io: Io,
  send: SendRequest,
  request: Omit<HoldRequest, 'do'>,
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'hold', ...request });
  if (options.json) {
    printJson(io, result);
    return EXIT.ok;
  }
  const { hold, jobs } = result;
  io.out(
    `for ${formatLimit(request.durationMs)}, hold ${hold} keeps the server of ${targetText(request.target)}\n`,
  );
  if ('change' in request.target) io.out(`it applies to ${count(jobs.length, 'open job')} now\n`);
  io.out('the ssh command, once the server is kept: sos-ci holds\n');
  return EXIT.ok;
}

export async function releaseCommand(
  io: Io,
  send: SendRequest,
  target: ReleaseRequest['target'],
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'release', target });
  if (options.json) printJson(io, result);
  else
    for (const { hold, server } of result.released)
      io.out(
        `hold ${hold} is released${server === null ? '' : `; server ${plainText(server)} is being deleted`}\n`,
      );
  return EXIT.ok;
}

export function holdsCommand(io: Io, reader: StoreReader, options: HoldsOptions): number {
  const holds = openHolds(reader);
  if (options.json) printJson(io, { holds: holds.map(holdJson) }, 'holds');
  else if (holds.length === 0) io.out('no holds\n');
  else for (const hold of holds) printHold(io, hold, options.utc ?? false);
  return EXIT.ok;
}

/** @throws CliError */
export function parseHold(
  what: string,
  name: string | undefined,
  reader: StoreReader,
): HoldRequest['target'] {
  const target = parseTarget(what, reader);
  if ('job' in target) {
    if (name === undefined) return target;
    throw new CliError(
      EXIT.usage,
      'a job id already names one job',
      'omit the second name, or name the change: sos-ci hold CHANGE NAME',
    );
  }
  if (target.patchset === null) return { change: target.change, name: name ?? null };
  throw new CliError(
    EXIT.usage,
    'a hold applies to any patchset of a change',
    `sos-ci hold ${target.change}`,
  );
}

/** @throws CliError when no hold or several holds match */
export function parseRelease(what: string, reader: StoreReader): ReleaseRequest['target'] {
  const change = tryParseChange(what);
  if (change?.patchset === null) return { change: change.change };
  const found = openHolds(reader).filter(({ hold, held }) => hold.startsWith(what) || held?.job === what);
  const [only, second] = found;
  if (only !== undefined && second === undefined) return { hold: only.hold };
  const problem = second === undefined ? 'no hold begins' : 'several holds begin';
  throw new CliError(
    EXIT.usage,
    `${problem} with ${plainText(JSON.stringify(what))}`,
    'list them: sos-ci holds',
  );
}

/** One line, for `sos-ci status`. */
export function holdLine(hold: HoldStatus, now: number): string {
  const { held, by, target } = hold;
  const what =
    held === null
      ? `waits for ${targetText(target)}`
      : `${held.server.name} of ${held.change},${held.patchset} ${held.name} (${held.verdict})`;
  return `${shortId(hold.hold)} ${what}, for ${by}, ends ${endText(hold, now, false)}`;
}

function printHold(io: Io, hold: HoldStatus, absolute: boolean): void {
  const { held, target, by, why } = hold;
  const title = held === null ? `waits for ${targetText(target)}` : heldText(held);
  io.out(`${paint(io, 'bold', hold.hold)}  ${plainText(title)}\n`);
  printField(io, 'for', why === '' ? by : `${by}: ${why}`);
  printField(io, 'ends', endText(hold, io.now(), absolute));
  if (held === null) return;
  printField(io, 'server', `${held.server.name} on ${held.server.provider}, ${held.server.address}`);
  if (held.problem !== '') printField(io, 'problem', held.problem, 'red');
  if (held.login === null) return;
  printField(io, 'directory', held.login.directory);
  // Not wrapped, so that it can be copied.
  io.out(`\n${plainText(held.login.command)}\n\n`);
}

function heldText({ job, name, change, patchset, verdict }: NonNullable<HoldStatus['held']>): string {
  return `${change},${patchset}  ${name}  ${verdict}  ${job}`;
}

/** Documented in docs/cli.md. */
export function holdJson(hold: HoldStatus) {
  const { requestedAt, until, held, ...rest } = hold;
  return {
    ...rest,
    requestedAt: iso(requestedAt),
    until: iso(until),
    held: held === null ? null : { ...heldJson(held), since: iso(held.since) },
  };
}

function heldJson({
  job,
  name,
  change,
  patchset,
  verdict,
  server,
  login,
  problem,
}: NonNullable<HoldStatus['held']>) {
  return { job, name, change, patchset, verdict, server, login, problem };
}
