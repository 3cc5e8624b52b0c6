/** Ends processes on a node by stop.sh: as the account of the job, and as root if another user owns a run. */
import type { OperationError } from '../../errors.ts';
import { type Answer, ask } from './command.ts';
import type { Node } from './node.ts';

const SCRIPT = new URL('./stop.sh', import.meta.url);
/** The exit status of stop.sh for a run that another user owns. */
const OTHER_OWNER = 77;

export interface StopOrder {
  /** The purpose, in an operator's terms. */
  readonly operation: string;
  readonly words: readonly string[];
  readonly timeoutMs: number;
}

/** @throws what `failed` returns, unless nothing is left */
export async function stopOnNode(
  node: Node,
  order: StopOrder,
  signal: AbortSignal,
  failed: (answer: Answer) => OperationError,
): Promise<void> {
  const command = { ...order, script: SCRIPT };
  const answer = await node.using({ ...order, signal }, async (connection, within) => {
    const first = await ask(connection, command, within);
    return first.status === OTHER_OWNER ? ask(connection, { ...command, asRoot: true }, within) : first;
  });
  if (answer.status !== 0) throw failed(answer);
}

/** Whole seconds, for the script. */
export function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}
