/**
 * Maps SSH failures to an OperationError with a hint. A node that is unreachable now may be reachable in a minute: it
 * boots, its network was cut, or its sshd refuses logins while it starts or stops. So most failures are
 * `NodeUnreachable`.
 */
import { AbortedError, errorText, levelAndCode, OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { type NodeAddress, nodeName } from './address.ts';
import { type SshFailure, socketHint } from './client/failure.ts';

const CONNECT = 'connect to node';

/** The node cannot be reached now, or its connection was cut. The operation may be retried. */
export class NodeUnreachable extends OperationError {}

/** The node was unreachable for longer than its caller waits. */
export class NodeLost extends OperationError {}

export function nodeError(
  address: NodeAddress,
  limits: { readonly keyFile: string; readonly connectTimeoutMs: number },
  { kind, during, cause }: SshFailure,
): OperationError {
  const target = nodeName(address);
  const why = cause === null ? 'closed by the node' : errorText(cause);
  const failure = (operation: string, message: string, hint: string) =>
    new NodeUnreachable({ operation, target, message, retryable: true, hint, unreachable: true, cause });
  const noSftp = (message: string, hint: string) =>
    new OperationError({ operation: 'open SFTP', target, message, retryable: false, hint, cause });
  switch (kind) {
    case 'key-refused':
      return failure(
        'log in to node',
        `${target} does not accept the key ${limits.keyFile}`,
        `add ${limits.keyFile}.pub to ~/.ssh/authorized_keys of ${address.user} on the node`,
      );
    case 'no-common-algorithm':
      return failure(
        CONNECT,
        `cannot negotiate SSH algorithms with ${target}: ${why}`,
        'its SSH server supports none of the algorithms of this client, or has no key of the pinned type',
      );
    case 'connect-timeout':
      return failure(
        CONNECT,
        `no connection to ${target} within ${formatLimit(limits.connectTimeoutMs)}`,
        'check network and firewall, and whether the node is up',
      );
    case 'too-many-connections':
      return failure(CONNECT, `${target} has too many connections`, 'check what else logs in to it');
    case 'unreachable':
      return failure(CONNECT, `no connection to ${target}: ${why}`, socketHint(cause, address.port));
    case 'stopped':
      return new AbortedError(during === 'connect' ? CONNECT : 'open channel', target);
    case 'sftp-protocol':
      return noSftp(
        `the SFTP server of ${target} sends something other than SFTP: ${why}`,
        'the account must have no forced command, and the start-up files of its shell must print nothing without a terminal',
      );
    case 'sftp-not-runnable':
      return noSftp(
        `the SFTP server of ${target} cannot be run (exit status ${levelAndCode(cause).code})`,
        'install the program that `Subsystem sftp` of sshd_config on the node names, or set it to internal-sftp',
      );
    case 'sftp-refused':
      return noSftp(
        `${target} refuses the SFTP subsystem`,
        'put `Subsystem sftp internal-sftp` into sshd_config on the node',
      );
    case 'lost':
      return failure(
        'keep connection to node',
        `connection to ${target} lost: ${why}`,
        'sos-ci reconnects automatically',
      );
  }
}
