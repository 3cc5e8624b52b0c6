/**
 * The file `launch` in a run directory on a node: environment and arguments of one stage, and the runner that gets them. It
 * is a file and no command line, because all of it comes from strangers; inside single quotes a shell takes every byte but
 * the quote and the NUL as it stands.
 */
import { SHORTEST_LOG_BYTES } from '../run/runner-file.ts';

export interface Launch {
  /** On the node, absolute. */
  readonly directory: string;
  readonly workTree: string;
  readonly argv: readonly string[];
  readonly environment: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly graceMs: number;
  readonly outputLimitBytes: number;
}

/** Search path and language are the node's own, and the home directory of a command that has none of its own. */
export function launchText(launch: Launch): string {
  const { directory, environment, argv } = launch;
  const facts = Object.entries(environment).map(([name, value]) => quoted(`${name}=${value}`));
  const runner = ['sh', `${directory}/runner.sh`, ...settings(launch), ...argv].map(quoted);
  return [
    // The file that it is started with learns who it is; as the runner it is the same process.
    'printf "%s\\n" "$$" >"$1"',
    'cd / || exit 70',
    `exec env -i "PATH=$PATH" "LANG=\${LANG:-C.UTF-8}" "HOME=$HOME" ${facts.join(' ')} ${runner.join(' ')}`,
    '',
  ].join('\n');
}

function settings(launch: Launch): readonly string[] {
  return [
    launch.directory,
    launch.workTree,
    (Math.max(launch.timeoutMs, 1) / 1000).toFixed(3),
    String(Math.ceil(launch.graceMs / 1000)),
    String(Math.max(launch.outputLimitBytes, SHORTEST_LOG_BYTES)),
  ];
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
