/** Opens connections to nodes, with the provider's key and the host keys pinned for each server. */
import type { SshConfig } from '../../config/config.ts';
import { after } from '../../timer.ts';
import type { NodeAddress } from './address.ts';
import { SshClient } from './client/client.ts';
import type { SshFailure } from './client/failure.ts';
import { nodeError } from './connection-failure.ts';
import type { PinnedKey } from './pinned-key.ts';

export interface Access {
  readonly address: NodeAddress;
  readonly privateKey: Buffer;
  readonly pinned: PinnedKey;
  readonly config: SshConfig;
}

/** How long to wait for the node to complete a clean close. */
const CLOSE_TIMEOUT_MS = 1_000;
/** The form of command-line arguments: no login shell on a node interprets any of these characters. */
export const PLAIN_ARGUMENT = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** Rejects with `NodeUnreachable` for transient failures, and with another OperationError for permanent ones. */
export function connectToNode(
  { address, privateKey, pinned, config }: Access,
  signal: AbortSignal,
): Promise<SshClient> {
  const { user, host, port } = address;
  const access = {
    ...{ user, host, port, privateKey, hostKeys: pinned, after },
    connectTimeoutMs: config.connectTimeoutMs,
    keepaliveMs: config.keepaliveMs,
    keepaliveMax: config.keepaliveMax,
    closeTimeoutMs: CLOSE_TIMEOUT_MS,
    // Work on a node is safe to repeat over the next connection.
    closeOnStuckChannel: true,
    toError: (failure: SshFailure) => nodeError(address, config, failure),
  };
  return SshClient.open(access, signal);
}

/** Joins our own arguments to a command line. */
export function commandLine(args: readonly string[]): string {
  const invalid = args.find((word) => !PLAIN_ARGUMENT.test(word));
  if (invalid !== undefined) throw new Error(`not a plain argument: ${JSON.stringify(invalid)}`);
  return args.join(' ');
}
