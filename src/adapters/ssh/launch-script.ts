/**
 * The file `launch` in a run directory on a node: the environment and arguments of one stage, and the runner that
 * receives them. It is a file and not a command line because its content comes from untrusted input. Inside single
 * quotes a shell takes every byte except the quote and NUL literally.
 */
import { type RunnerOptions, runnerArguments } from '../run/runner-protocol.ts';
import { shellQuoted } from '../run/shell-word.ts';

/** All paths are absolute paths on the node. */
export interface Launch extends RunnerOptions {
  readonly environment: Readonly<Record<string, string>>;
}

/** PATH and LANG are the node's own. HOME is the node's for a command whose environment sets none. */
export function launchText(launch: Launch): string {
  const { directory, environment } = launch;
  const assignments = Object.entries(environment).map(([name, value]) => shellQuoted(`${name}=${value}`));
  const runner = ['sh', `${directory}/runner.sh`, ...runnerArguments(launch)].map(shellQuoted);
  return [
    // Writes the process id to the file given as argument; `exec` keeps it for the runner.
    'printf "%s\\n" "$$" >"$1"',
    'cd / || exit 70',
    `exec env -i "PATH=$PATH" "LANG=\${LANG:-C.UTF-8}" "HOME=$HOME" ${assignments.join(' ')} ${runner.join(' ')}`,
    '',
  ].join('\n');
}
