/** The directory of a run on its node, and how the run is stopped there. */
import { join } from 'node:path/posix';
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import type { StageRun } from '../../machines/protocol/effects.ts';
import type { Node } from './node.ts';
import type { NodePool } from './node-pool.ts';
import { seconds, stopOnNode } from './stop.ts';

export interface StopBounds {
  readonly nodes: NodePool;
  /** The time between SIGTERM and SIGKILL. */
  readonly graceMs: number;
  /** How long a stop may take after everything was killed. */
  readonly killTimeoutMs: number;
}

/** The runner creates a cgroup only for an id of this form. */
const PLAIN_ID = /^[A-Za-z0-9._-]{1,200}$/;

/** The server's id for stop.sh; `-` if no cgroup can have it in its name. */
export function plainId({ id }: Server): string {
  return PLAIN_ID.test(id) ? id : '-';
}

export function remoteDirectory(node: Node, run: StageRun): string {
  return join(node.address.directory, 'runs', String(run.owner.attempt), run.stage);
}

/** @param what the run itself, or every run that a playbook has started for it */
export async function stopRun(
  what: 'run' | 'runs',
  run: StageRun,
  { nodes, graceMs, killTimeoutMs }: StopBounds,
  signal: AbortSignal,
): Promise<void> {
  const node = nodes.get(run.server);
  const timeoutMs = 2 * (graceMs + 2 * killTimeoutMs) + node.config.commandTimeoutMs;
  const args = [
    what,
    plainId(run.server),
    remoteDirectory(node, run),
    seconds(graceMs),
    seconds(killTimeoutMs),
  ];
  await stopOnNode(node, { operation: 'stop stage', args, timeoutMs }, signal, ({ output }) =>
    stillRunning(run.server.address, output.trim().slice(-500)),
  );
}

function stillRunning(target: string, message: string): OperationError {
  return new OperationError({
    operation: 'stop stage',
    target,
    message: message === '' ? 'the node could not stop it' : message,
    retryable: true,
    hint: 'look for processes in uninterruptible sleep (state D), or of another user, on the node',
  });
}
