/**
 * Brings the named paths of a node's work tree to this host, below `into/tree/`, where they are looked through, redacted and
 * published like those of any other server. Promises: regular files only, no link followed, nothing taken on the node's word
 * (names, sizes, kinds), and bounded in files, bytes, depth, entries and time. What is passed over is told with the reason.
 */
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { workTree } from '../run/stage-environment.ts';
import { NodeLost } from './connection-failure.ts';
import { NodeFiles } from './files.ts';
import type { NodePool } from './node-pool.ts';
import { RemoteWalk } from './remote-walk.ts';

export interface TreeLimits {
  readonly bytes: number;
  readonly files: number;
  /** Of one file; of a longer one the beginning is taken. */
  readonly maxFileBytes: number;
  readonly maxEntries: number;
  readonly maxDepth: number;
}

export interface TreeRequest {
  readonly server: Server;
  /** Relative to the work tree. */
  readonly paths: readonly string[];
  /** An empty directory on this host. */
  readonly into: string;
  readonly limits: TreeLimits;
  readonly timeoutMs: number;
}

export interface SkippedPath {
  /** Relative to the work tree. */
  readonly path: string;
  readonly why: string;
}

/** Of its time, the part in which a node that is away is waited for: the rest of the evidence is still to be kept. */
const WAIT_SHARE = 0.8;

export async function fetchTree(
  nodes: NodePool,
  request: TreeRequest,
  signal: AbortSignal,
): Promise<readonly SkippedPath[]> {
  const { server, timeoutMs, paths } = request;
  const node = nodes.get(server);
  const waitMs = Math.min(node.config.reconnectTimeoutMs, timeoutMs * WAIT_SHARE);
  const effort = { operation: 'collect evidence', timeoutMs: waitMs, awayOnly: true, signal };
  // Files on which the node has hung: they are not tried again when the rest is.
  const hung = new Set<string>();
  try {
    return await node.using(effort, (connection, within, alive) =>
      NodeFiles.using(connection, node.config.commandTimeoutMs, within, async (files) => {
        alive();
        const root = workTree(node.address.directory);
        const walk = new RemoteWalk({
          files,
          root,
          into: `${request.into}/tree`,
          limits: request.limits,
          hung,
        });
        for (const path of paths) await walk.path(path);
        return walk.finish();
      }),
    );
  } catch (error) {
    // A node that is gone for good took its files along; what its stages have printed is here.
    const gone = error instanceof NodeLost || (error instanceof OperationError && !error.retryable);
    if (!gone) throw error;
    return paths.map((path) => ({ path, why: error.message }));
  }
}
