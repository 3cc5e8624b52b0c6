/** `sos-ci dequeue` and `sos-ci promote`: end jobs, or put them at the head of the queue. */
import type { JobPlace, Target } from '../../engine/ports/operator-api.ts';
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
  if (jobs.length === 0) io.out('nothing ran any more; its comment is taken back unless Gerrit has it\n');
  else io.out(`ended ${count(jobs.length, 'job')}${reviews.length === 0 ? '' : '; nothing is posted'}\n`);
  for (const job of jobs) io.out(`  ${jobText(job)}, was ${topState(job.state)}\n`);
  return EXIT.ok;
}

/** Exit code 1 when none of them waits. */
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
  io.out(`${count(result.promoted.length, 'job')} put at the head of the queue\n`);
  for (const job of result.promoted) io.out(`  ${jobText(job)}\n`);
  for (const job of result.passed) io.out(`  ${jobText(job)} does not wait: ${topState(job.state)}\n`);
  return exit;
}

function jobText({ id, name, change, patchset }: JobPlace): string {
  return `${shortId(id)}  ${change},${patchset}  ${plainText(name)}`;
}
