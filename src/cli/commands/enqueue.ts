/** `sos-ci enqueue` and `sos-ci recheck`: have jobs run on a change, named ones or those that the rules choose. */
import type { Begun } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import type { Ask, OperateOptions } from '../input/daemon-client.ts';
import { changeNumber } from '../input/parse-target.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

/** @param jobs none: all of the change's project and branch */
export async function enqueueCommand(
  io: Io,
  ask: Ask,
  change: string,
  jobs: readonly string[],
  options: OperateOptions,
): Promise<number> {
  const begun = await ask({ do: 'enqueue', jobs, ...changeNumber(change) });
  if (options.json) printJson(io, begun);
  else printBegun(io, begun);
  return EXIT.ok;
}

/** Exit code 1 when the rules start nothing. */
export async function recheckCommand(
  io: Io,
  ask: Ask,
  text: string,
  options: OperateOptions,
): Promise<number> {
  const { change, patchset } = changeNumber(text);
  if (patchset !== null) {
    const hint = `name the change alone: sos-ci recheck ${change}; for another patchset: sos-ci enqueue ${text}`;
    throw new CliError(EXIT.usage, 'a recheck is always of the current patchset', hint);
  }
  const answer = await ask({ do: 'recheck', change });
  if (options.json) printJson(io, answer);
  else {
    for (const begun of answer.begun) printBegun(io, begun);
    for (const decision of answer.decisions) io.out(`${plainText(decision)}\n`);
  }
  return answer.begun.length > 0 ? EXIT.ok : EXIT.negative;
}

function printBegun(io: Io, { change, patchset, review, jobs }: Begun): void {
  io.out(`${change},${patchset}: ${count(jobs.length, 'job')} accepted, review ${shortId(review)}\n`);
  for (const { id, name } of jobs) io.out(`  ${shortId(id)}  ${plainText(name)}\n`);
}
