/** `sos-ci enqueue` runs named jobs on a change; `sos-ci recheck` runs those that the rules choose. */
import type { StartedReview } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { parseChange } from '../input/parse-change.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

/** @param jobs empty: all jobs of the change's project and branch */
export async function enqueueCommand(
  io: Io,
  send: SendRequest,
  change: string,
  jobs: readonly string[],
  options: RequestOptions,
): Promise<number> {
  const started = await send({ do: 'enqueue', jobs, ...parseChange(change) });
  if (options.json) printJson(io, started);
  else printStarted(io, started);
  return EXIT.ok;
}

/** Exit code 1 when the rules start nothing. */
export async function recheckCommand(
  io: Io,
  send: SendRequest,
  text: string,
  options: RequestOptions,
): Promise<number> {
  const { change, patchset } = parseChange(text);
  if (patchset !== null) {
    const hint = `sos-ci recheck ${change}; for another patchset: sos-ci enqueue ${text}`;
    throw new CliError(EXIT.usage, 'a recheck always uses the current patchset', hint);
  }
  const result = await send({ do: 'recheck', change });
  if (options.json) printJson(io, result);
  else {
    for (const started of result.begun) printStarted(io, started);
    for (const decision of result.decisions) io.out(`${plainText(decision)}\n`);
  }
  return result.begun.length > 0 ? EXIT.ok : EXIT.negative;
}

function printStarted(io: Io, { change, patchset, review, jobs }: StartedReview): void {
  io.out(`${change},${patchset}: ${count(jobs.length, 'job')} accepted, review ${shortId(review)}\n`);
  for (const { id, name } of jobs) io.out(`  ${shortId(id)}  ${plainText(name)}\n`);
}
