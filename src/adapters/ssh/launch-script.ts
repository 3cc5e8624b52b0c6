/**
 * The file `launch` in a run directory on a node: environment and arguments of one stage, and the runner that gets them. It
 * is a file and no command line, because all of it comes from strangers; inside single quotes a shell takes every byte but
 * the quote and the NUL as it stands.
 */
import { type RunnerOrder, runnerArguments } from '../run/runner-protocol.ts';

/** Its paths are the node's, absolute. */
export interface Launch extends RunnerOrder {
  readonly environment: Readonly<Record<string, string>>;
}

/** Search path and language are the node's own, and the home directory of a command that has none of its own. */
export function launchText(launch: Launch): string {
  const { directory, environment } = launch;
  const facts = Object.entries(environment).map(([name, value]) => quoted(`${name}=${value}`));
  const runner = ['sh', `${directory}/runner.sh`, ...runnerArguments(launch)].map(quoted);
  return [
    // The file that it is started with learns who it is; as the runner it is the same process.
    'printf "%s\\n" "$$" >"$1"',
    'cd / || exit 70',
    `exec env -i "PATH=$PATH" "LANG=\${LANG:-C.UTF-8}" "HOME=$HOME" ${facts.join(' ')} ${runner.join(' ')}`,
    '',
  ].join('\n');
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
