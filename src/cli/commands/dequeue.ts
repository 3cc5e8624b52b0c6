/** `sos-ci dequeue` and `sos-ci promote`: end jobs, or put them at the head of the queue. */
import type { JobPlace, Target } from '../../engine/ports/operator-api.ts';
import { plainText } from '../../terminal-text.ts';
import type { Ask, OperateOptions } from '../input/daemon-client.ts';
import { shortId } from '../input/resolve-id.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { topState } from '../output/state-spans.ts';
import { type Io, printJson } from '../output/terminal.ts';

export async function dequeueCommand(
  io: Io,
  ask: Ask,
  target: Target,
  options: OperateOptions,
): Promise<number> {
  const answer = await ask({ do: 'dequeue', target });
  if (options.json) {
    printJson(io, answer);
    return EXIT.ok;
  }
  const { jobs, reviews } = answer;
  if (jobs.length === 0) io.out('nothing ran any more; its comment is taken back unless Gerrit has it\n');
  else io.out(`ended ${count(jobs.length, 'job')}${reviews.length === 0 ? '' : '; nothing is posted'}\n`);
  for (const job of jobs) io.out(`  ${placeText(job)}, was ${topState(job.state)}\n`);
  return EXIT.ok;
}

/** Exit code 1 when none of them waits. */
export async function promoteCommand(
  io: Io,
  ask: Ask,
  targets: readonly Target[],
  options: OperateOptions,
): Promise<number> {
  const answer = await ask({ do: 'promote', targets });
  const exit = answer.promoted.length > 0 ? EXIT.ok : EXIT.negative;
  if (options.json) {
    printJson(io, answer);
    return exit;
  }
  io.out(`${count(answer.promoted.length, 'job')} put at the head of the queue\n`);
  for (const job of answer.promoted) io.out(`  ${placeText(job)}\n`);
  for (const job of answer.passed) io.out(`  ${placeText(job)} does not wait: ${topState(job.state)}\n`);
  return exit;
}

function placeText({ id, name, change, patchset }: JobPlace): string {
  return `${shortId(id)}  ${change},${patchset}  ${plainText(name)}`;
}
