/** `sos-ci reload` and `sos-ci resume-voting`: have the daemon read its configuration anew, or vote again. */
import { plainText } from '../plain-text.ts';
import { changesText } from './config-text.ts';
import { count } from './event-text.ts';
import { EXIT } from './exit.ts';
import { type Io, printJson } from './io.ts';
import type { Ask, OperateOptions } from './operate.ts';

/** Exit code 3 when the file has mistakes: then the daemon goes on with what it had. */
export async function reloadCommand(io: Io, ask: Ask, options: OperateOptions): Promise<number> {
  const answer = await ask({ do: 'reload' });
  const { changed, restart, problems } = answer;
  const faulty = problems.length > 0;
  if (options.json) printJson(io, answer);
  else if (faulty) {
    for (const problem of problems) io.out(`${plainText(problem)}\n`);
    io.err(`${count(problems.length, 'mistake')}; the daemon goes on with the configuration that it had\n`);
  } else io.out(`${plainText(changesText(changed, restart))}\n`);
  return faulty ? EXIT.config : EXIT.ok;
}

/** Exit code 1 when voting had not been stopped. */
export async function resumeVotingCommand(io: Io, ask: Ask, options: OperateOptions): Promise<number> {
  const answer = await ask({ do: 'resume-voting' });
  if (options.json) printJson(io, answer);
  else io.out(answer.resumed ? 'voting again\n' : 'voting had not been stopped\n');
  return answer.resumed ? EXIT.ok : EXIT.negative;
}
