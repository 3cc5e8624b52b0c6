/** Opens a connection to a host whose keys are in a known_hosts file. No other host key is accepted. */
import { OperationError } from '../../errors.ts';
import type { HostKeys, SshClient } from '../ssh/client/client.ts';
import { hostKeyError } from './host-key-error.ts';
import { allHostKeyAlgorithms, hostKeyAlgorithms, judgeHostKey, type KnownHost } from './known-hosts.ts';

/** The operation of the error for a server without a common algorithm. */
export const AGREE_ON_ALGORITHMS = 'agree on algorithms';

/** @param open connects; its error names AGREE_ON_ALGORITHMS when there is no common algorithm */
export async function openToKnownHost(
  known: KnownHost,
  open: (hostKeys: HostKeys) => Promise<SshClient>,
): Promise<SshClient> {
  const hostKeys = (algorithms: readonly string[]): HostKeys => ({
    algorithms,
    judge: async (presented) => {
      const judgement = judgeHostKey(known, presented);
      return judgement === 'known' ? null : hostKeyError(known, presented, judgement);
    },
  });
  const algorithms = hostKeyAlgorithms(known);
  const all = allHostKeyAlgorithms();
  if (algorithms.length === 0) return open(hostKeys(all));
  try {
    return await open(hostKeys(algorithms));
  } catch (error) {
    // The server has no host key of a type that known_hosts lists for it. Connect with all types, so that the error can
    // show the operator a key to compare.
    if (error instanceof OperationError && error.operation === AGREE_ON_ALGORITHMS)
      return open(hostKeys(all));
    throw error;
  }
}
