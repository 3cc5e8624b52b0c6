/** `sos-ci reload` reloads the daemon's configuration; `sos-ci resume-voting` lets it vote again. */
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

/** Exit code 3 when the file has errors; the daemon then keeps its configuration. */
export async function reloadCommand(io: Io, send: SendRequest, options: RequestOptions): Promise<number> {
  const result = await send({ do: 'reload' });
  const { changed, restart, problems } = result;
  const failed = problems.length > 0;
  if (options.json) printJson(io, result);
  else if (failed) {
    for (const problem of problems) io.out(`${plainText(problem)}\n`);
    io.err(`${count(problems.length, 'error')}; the daemon keeps its configuration\n`);
  } else io.out(`${plainText(changesText(changed, restart))}\n`);
  return failed ? EXIT.config : EXIT.ok;
}

/** Exit code 1 when voting had not been stopped. */
export async function resumeVotingCommand(
  io: Io,
  send: SendRequest,
  options: RequestOptions,
): Promise<number> {
  const result = await send({ do: 'resume-voting' });
  if (options.json) printJson(io, result);
  else io.out(result.resumed ? 'voting is on again\n' : 'voting was not stopped\n');
  return result.resumed ? EXIT.ok : EXIT.negative;
}

/** What a new configuration changes now, and after a restart. */
function changesText(changed: readonly string[], restart: readonly string[]): string {
  const now = changed.length === 0 ? 'nothing changed' : `changed: ${changed.join(', ')}`;
  return restart.length === 0 ? now : `${now}; after a restart: ${restart.join(', ')}`;
}
