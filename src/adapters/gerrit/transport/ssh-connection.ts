/** Connects to Gerrit over SSH with the configured account and key, and host keys from known_hosts. */
import type { GerritConfig } from '../../../config/config.ts';
import type { Clock } from '../../../engine/ports/adapters.ts';
import { readPrivateKey } from '../../openssh/key-file.ts';
import { readKnownHost } from '../../openssh/known-hosts.ts';
import { openToKnownHost } from '../../openssh/open-to-known-host.ts';
import { SshClient } from '../../ssh/client/client.ts';
import { gerritError } from './ssh-failure.ts';

/** The configuration that this adapter needs. */
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
  return openToKnownHost(known, (hostKeys) =>
    SshClient.open(
      {
        ...options,
        privateKey,
        hostKeys,
        // A query that Gerrit does not accept in time must not end the stream, which shares the connection.
        closeOnStuckChannel: false,
        after: (delayMs, due) => clock.after(delayMs, due),
        toError: (failure) => gerritError(options, failure),
      },
      signal,
    ),
  );
}
