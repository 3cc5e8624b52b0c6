/** The access of a playbook to its node. */
import type { StageRun } from '../../machines/protocol/effects.ts';
import type { RunStage } from './stage-environment.ts';

/** How to log in to a node with OpenSSH. */
export interface NodeLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** Private key, an absolute path on this host. */
  readonly keyFile: string;
  /** The only host keys to accept; never empty. */
  readonly hostKeys: readonly Buffer[];
  /** The server's directory on the node, absolute. */
  readonly directory: string;
  /** The directory on the node that belongs to this run. */
  readonly runDirectory: string;
  /** The directory on the node with the job's secrets; null: it has none. */
  readonly secrets: string | null;
}

export interface PlaybookNodes {
  /** Prepares the node for this run, which includes the job's secrets. */
  prepare(request: RunStage, signal: AbortSignal): Promise<NodeLogin>;
  /** Ends every command of this run on the node, of any user where the account may use sudo, and prevents others. */
  stop(run: StageRun, signal: AbortSignal): Promise<void>;
}
