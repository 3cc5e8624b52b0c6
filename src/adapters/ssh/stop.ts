/** Ends processes on a node with stop.sh: as the account of the job, and as root if another user owns a run. */
import type { OperationError } from '../../errors.ts';
import { runNodeScript, type ScriptResult } from './command.ts';
import type { Node } from './node.ts';

const SCRIPT = new URL('./stop.sh', import.meta.url);
/** The exit status of stop.sh for a run that another user owns. */
const OTHER_OWNER = 77;

export interface StopCommand {
  /** The purpose, in an operator's terms. */
  readonly operation: string;
  readonly args: readonly string[];
  readonly timeoutMs: number;
}

/** @throws what `failed` returns, unless nothing is left */
export async function stopOnNode(
  node: Node,
  stop: StopCommand,
  signal: AbortSignal,
  failed: (answer: ScriptResult) => OperationError,
): Promise<void> {
  const command = { ...stop, script: SCRIPT };
  const answer = await node.using({ ...stop, signal }, async (connection, within) => {
    const first = await runNodeScript(connection, command, within);
    return first.status === OTHER_OWNER
      ? runNodeScript(connection, { ...command, asRoot: true }, within)
      : first;
  });
  if (answer.status !== 0) throw failed(answer);
}

/** Whole seconds, for the script. */
export function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
