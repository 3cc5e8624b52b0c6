/** Connections to nodes: the key of the provider, and host keys that are pinned for each server. */
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

/** How long the node may take part in a clean end. */
const CLOSE_TIMEOUT_MS = 1_000;
/** Words of ours: no shell that a user may have on a node gives these letters a meaning. */
export const WORD = /^[A-Za-z0-9_@%+=:,./-]+$/;

/** Rejects with `NodeUnreachable` for what may pass, and with another OperationError for what does not. */
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
    // Work on a node does no harm when it is done again over the next connection.
    closeOnStuckChannel: true,
    toError: (failure: SshFailure) => nodeError(address, config, failure),
  };
  return SshClient.open(access, signal);
}

/** A command line of our own words. */
export function wordLine(words: readonly string[]): string {
  const odd = words.find((word) => !WORD.test(word));
  if (odd !== undefined) throw new Error(`not a word for a command line: ${JSON.stringify(odd)}`);
  return words.join(' ');
}
