/** Connects to Gerrit over SSH with the configured account and key, and host keys from known_hosts. */
import type { GerritConfig } from '../../../config/config.ts';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { OperationError } from '../../../errors.ts';
import { hostKeyError } from '../../openssh/host-key-error.ts';
import { readPrivateKey } from '../../openssh/key-file.ts';
import {
  allHostKeyAlgorithms,
  hostKeyAlgorithms,
  judgeHostKey,
  type KnownHost,
  readKnownHost,
} from '../../openssh/known-hosts.ts';
import { type HostKeys, type SshAccess, SshClient } from '../../ssh/client/client.ts';
import { gerritError } from './ssh-failure.ts';

/** The configuration that this folder needs. */
export type GerritOptions = Omit<GerritConfig, 'fetchUrl' | 'rest'>;

const KEY_USE = { setting: 'gerrit.key', addTo: "to the account's SSH keys in Gerrit" };

/** Rejects with an OperationError; not retryable when an operator must fix the key, host key or account. */
export async function connectToGerrit(
  options: GerritOptions,
  clock: Clock,
  signal: AbortSignal,
): Promise<SshClient> {
  const privateKey = await readPrivateKey(options.keyFile, KEY_USE);
  const known = await readKnownHost(options.knownHostsFile, options.host, options.port);
  const access = (algorithms: readonly string[]): SshAccess => ({
    ...options,
    privateKey,
    hostKeys: hostKeysOf(known, algorithms),
    // A query that Gerrit does not accept in time must not end the stream, which shares the connection.
    closeOnStuckChannel: false,
    after: (delayMs, due) => clock.after(delayMs, due),
    toError: (failure) => gerritError(options, failure),
  });
  const algorithms = hostKeyAlgorithms(known);
  const all = allHostKeyAlgorithms();
  if (algorithms.length === 0) return SshClient.open(access(all), signal);
  try {
    return await SshClient.open(access(algorithms), signal);
  } catch (error) {
    // The server has no host key of a type that known_hosts lists for it. Connect with all types, so that the error can
    // show the operator a key to compare.
    if (error instanceof OperationError && error.operation === 'agree on algorithms') {
      return SshClient.open(access(all), signal);
    }
    throw error;
  }
}

function hostKeysOf(known: KnownHost, algorithms: readonly string[]): HostKeys {
  return {
    algorithms,
    judge: async (presented) => {
      const judgement = judgeHostKey(known, presented);
      return judgement === 'known' ? null : hostKeyError(known, presented, judgement);
    },
  };
}
