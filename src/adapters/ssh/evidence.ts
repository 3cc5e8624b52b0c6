/**
 * Copies the named paths of a node's work tree to this host, below `into/tree/`, where they are inspected, redacted and
 * published like those of any other server. Guarantees: only regular files, no link is followed, no name, size or type
 * reported by the node is trusted, and files, bytes, depth, entries and time are bounded. Skipped paths are reported
 * with the reason.
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
  /** The limit for one file; only the beginning of a longer file is copied. */
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

/** The share of the timeout to wait for an unreachable node. The rest is for storing the remaining evidence. */
const WAIT_SHARE = 0.8;

export async function fetchTree(
  nodes: NodePool,
  request: TreeRequest,
  signal: AbortSignal,
): Promise<readonly SkippedPath[]> {
  const { server, timeoutMs, paths } = request;
  const node = nodes.get(server);
  const waitMs = Math.min(node.config.reconnectTimeoutMs, timeoutMs * WAIT_SHARE);
  const task = { operation: 'collect evidence', timeoutMs: waitMs, outageOnly: true, signal };
  // Files on which the node hung. A retry skips them.
  const hung = new Set<string>();
  try {
    return await node.using(task, (connection, within, alive) =>
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
    // The files of a permanently lost node are lost; the output of its stages is already on this host.
    const gone = error instanceof NodeLost || (error instanceof OperationError && !error.retryable);
    if (!gone) throw error;
    return paths.map((path) => ({ path, why: error.message }));
  }
}
