/** Connections to Gerrit by SSH: the account and the key of the configuration, host keys from known_hosts. */
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

/** What this folder needs of the configuration. */
export type GerritOptions = Omit<GerritConfig, 'fetchUrl' | 'rest'>;

const KEY_USE = { setting: 'gerrit.key', place: 'in Gerrit' };

/** Rejects with an OperationError, not retryable for what an operator must fix: key, host key, account. */
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
    // A query that Gerrit does not take up in time must not end the stream, which has the same connection.
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
    // The server has no key of a type that we know. Asked for any, it shows one for the operator to compare.
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
