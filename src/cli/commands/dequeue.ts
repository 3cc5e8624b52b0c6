/** `sos-ci dequeue` ends jobs; `sos-ci promote` moves them to the head of the queue. */
import type { JobReference, Target } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Io, printJson } from '../output/terminal.ts';

export async function dequeueCommand(
  io: Io,
  send: SendRequest,
  target: Target,
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'dequeue', target });
  if (options.json) {
    printJson(io, result);
    return EXIT.ok;
  }
  const { jobs, reviews } = result;
  if (jobs.length === 0) io.out('no job was running; the review is withdrawn unless Gerrit already has it\n');
  else
    io.out(`ended ${count(jobs.length, 'job')}${reviews.length === 0 ? '' : '; nothing will be posted'}\n`);
  for (const job of jobs) io.out(`  ${jobText(job)}, was ${topState(job.state)}\n`);
  return EXIT.ok;
}

/** Exit code 1 when none of them is queued. */
export async function promoteCommand(
  io: Io,
  send: SendRequest,
  targets: readonly Target[],
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'promote', targets });
  const exit = result.promoted.length > 0 ? EXIT.ok : EXIT.negative;
  if (options.json) {
    printJson(io, result);
    return exit;
  }
  io.out(`${count(result.promoted.length, 'job')} moved to the head of the queue\n`);
  for (const job of result.promoted) io.out(`  ${jobText(job)}\n`);
  for (const job of result.notWaiting) io.out(`  ${jobText(job)} is not queued: ${topState(job.state)}\n`);
  return exit;
}

function jobText({ id, name, change, patchset }: JobReference): string {
  return `${shortId(id)}  ${change},${patchset}  ${plainText(name)}`;
}
