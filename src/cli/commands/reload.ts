/** `sos-ci reload` and `sos-ci resume-voting`: have the daemon read its configuration anew, or vote again. */
import { plainText } from '../../terminal-text.ts';
import type { RequestOptions, SendRequest } from '../input/daemon-client.ts';
import { changesText } from '../output/config.ts';
import { count } from '../output/event.ts';
import { EXIT } from '../output/exit-codes.ts';
import { type Io, printJson } from '../output/terminal.ts';

/** Exit code 3 when the file has mistakes: then the daemon goes on with what it had. */
export async function reloadCommand(io: Io, send: SendRequest, options: RequestOptions): Promise<number> {
  const result = await send({ do: 'reload' });
  const { changed, restart, problems } = result;
  const failed = problems.length > 0;
  if (options.json) printJson(io, result);
  else if (failed) {
    for (const problem of problems) io.out(`${plainText(problem)}\n`);
    io.err(`${count(problems.length, 'mistake')}; the daemon goes on with the configuration that it had\n`);
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
  else io.out(result.resumed ? 'voting again\n' : 'voting had not been stopped\n');
  return result.resumed ? EXIT.ok : EXIT.negative;
}
