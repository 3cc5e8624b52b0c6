/**
 * Maps SSH failures to an OperationError with a hint. A node that is unreachable now may be reachable in a minute: it
 * boots, its network was cut, or its sshd refuses logins while it starts or stops. So most failures are
 * `NodeUnreachable`.
 */
import { AbortedError, errorText, levelAndCode, OperationError } from '../../errors.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { type NodeAddress, nodeName } from './address.ts';
import { type SshFailure, socketHint } from './client/failure.ts';

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
  const away = (operation: string, message: string, hint: string) =>
    new NodeUnreachable({ operation, target, message, retryable: true, hint, unreachable: true, cause });
  const noSftp = (message: string, hint: string) =>
    new OperationError({ operation: 'open SFTP', target, message, retryable: false, hint, cause });
  switch (kind) {
    case 'key-refused':
      return away(
        'log in to node',
        `${target} does not accept the key ${limits.keyFile}`,
        `add ${limits.keyFile}.pub to ~/.ssh/authorized_keys of ${address.user} on the node`,
      );
    case 'no-common-algorithm':
      return away(
        'connect to node',
        `no agreement with ${target}: ${why}`,
        'its SSH server knows none of the algorithms of this client, or no key of the type that is pinned',
      );
    case 'connect-timeout':
      return away(
        'connect to node',
        `no connection to ${target} within ${formatLimit(limits.connectTimeoutMs)}`,
        'check network and firewall, and whether the node is up',
      );
    case 'too-many-connections':
      return away('connect to node', `${target} has too many connections`, 'see what else logs in there');
    case 'unreachable':
      return away('connect to node', `no connection to ${target}: ${why}`, socketHint(cause, address.port));
    case 'stopped':
      return new AbortedError(during === 'connect' ? 'connect to node' : 'open channel', target);
    case 'sftp-protocol':
      return noSftp(
        `the SFTP server of ${target} answers with something else: ${why}`,
        'the account needs no forced command, and start-up files of its shell that print nothing without a terminal',
      );
    case 'sftp-not-runnable':
      return noSftp(
        `the SFTP server of ${target} cannot be run (exit status ${levelAndCode(cause).code})`,
        'install the program that `Subsystem sftp` of sshd_config on the node names, or name internal-sftp there',
      );
    case 'sftp-refused':
      return noSftp(
        `${target} refuses the SFTP subsystem`,
        'put `Subsystem sftp internal-sftp` into sshd_config on the node',
      );
    case 'lost':
      return away(
        'keep connection to node',
        `connection to ${target} lost: ${why}`,
        'it is made again automatically',
      );
  }
}
