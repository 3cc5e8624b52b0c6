/** Connects to the log server: the configured account and key, and host keys from known_hosts. */
import type { LogServerConfig } from '../../../config/logs-config.ts';
import { AbortedError, errorText, levelAndCode, OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { after } from '../../../timer.ts';
import { readPrivateKey } from '../../openssh/key-file.ts';
import { readKnownHost } from '../../openssh/known-hosts.ts';
import { AGREE_ON_ALGORITHMS, openToKnownHost } from '../../openssh/open-to-known-host.ts';
import { SshClient, sshTarget } from '../../ssh/client/client.ts';
import { type SshFailure, socketHint } from '../../ssh/client/failure.ts';

const CONNECT = 'connect to log server';
const KEY_USE = { setting: 'logs.ssh.key', addTo: 'to ~/.ssh/authorized_keys on the log server' };

/** Rejects with an OperationError; not retryable when an operator must fix the key, the host key or the account. */
export async function connectToLogServer(config: LogServerConfig, signal: AbortSignal): Promise<SshClient> {
  const privateKey = await readPrivateKey(config.keyFile, KEY_USE);
  const known = await readKnownHost(config.knownHostsFile, config.host, config.port);
  return openToKnownHost(known, (hostKeys) =>
    SshClient.open(
      {
        ...config,
        privateKey,
        hostKeys,
        // Each publication has its own connection, and continues over the next one.
        closeOnStuckChannel: true,
        after,
        toError: (failure) => connectionError(config, failure),
      },
      signal,
    ),
  );
}

function connectionError(config: LogServerConfig, { kind, during, cause }: SshFailure): OperationError {
  const target = sshTarget(config);
  const why = cause === null ? 'closed by the server' : errorText(cause);
  const fail = (operation: string, message: string, retryable: boolean, hint: string) =>
    new OperationError({ operation, target, message, retryable, hint, cause });
  switch (kind) {
    case 'key-refused':
      return fail(
        'log in to log server',
        `${target} does not accept the key ${config.keyFile}`,
        false,
        `add ${config.keyFile}.pub to ~/.ssh/authorized_keys of ${config.user} on the log server`,
      );
    case 'no-common-algorithm':
      return fail(
        AGREE_ON_ALGORITHMS,
        `cannot negotiate SSH algorithms with ${target}: ${why}`,
        false,
        'its SSH server supports none of the algorithms of this client',
      );
    case 'connect-timeout':
      return fail(
        CONNECT,
        `no connection to ${target} within ${formatLimit(config.connectTimeoutMs)}`,
        true,
        'check network and firewall, and whether the log server is up',
      );
    case 'too-many-connections':
      return fail(CONNECT, `${target} has too many connections`, true, 'check what else logs in to it');
    case 'unreachable':
      return fail(CONNECT, `no connection to ${target}: ${why}`, true, socketHint(cause, config.port));
    case 'stopped':
      return new AbortedError(during === 'connect' ? CONNECT : 'open SFTP', target);
    case 'sftp-protocol':
    case 'sftp-not-runnable':
    case 'sftp-refused':
      return fail(
        'open SFTP',
        kind === 'sftp-refused'
          ? `${target} refuses the SFTP subsystem`
          : `the SFTP server of ${target} does not work: ${kind === 'sftp-protocol' ? why : `exit status ${levelAndCode(cause).code}`}`,
        false,
        'put `Subsystem sftp internal-sftp` into sshd_config of the log server',
      );
    case 'lost':
      return fail(
        'keep connection to log server',
        `connection to ${target} lost: ${why}`,
        true,
        'sos-ci continues over the next connection',
      );
  }
}
