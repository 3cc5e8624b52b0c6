/** Converts failures of SSH connections to Gerrit to OperationErrors with hints. */
import { errorText, OperationError } from '../../../errors.ts';
import { formatLimit } from '../../../machines/model/duration.ts';
import { AGREE_ON_ALGORITHMS } from '../../openssh/open-to-known-host.ts';
import { sshTarget } from '../../ssh/client/client.ts';
import { type SshFailure, socketHint } from '../../ssh/client/failure.ts';
import type { GerritOptions } from './ssh-connection.ts';

export function gerritError(options: GerritOptions, { kind, cause }: SshFailure): OperationError {
  const { user, host, port, keyFile } = options;
  const target = sshTarget(options);
  const fail = (operation: string, message: string, retryable: boolean, hint: string): OperationError =>
    new OperationError({ operation, target, message, retryable, hint, cause });
  const why = cause === null ? 'closed by the server' : errorText(cause);
  switch (kind) {
    case 'key-refused':
      return fail(
        'authenticate',
        `${host} does not accept the key ${keyFile} for user ${user}`,
        false,
        `check the username, and that ${keyFile}.pub is among the SSH keys of that Gerrit account`,
      );
    case 'no-common-algorithm':
      return fail(
        AGREE_ON_ALGORITHMS,
        `cannot negotiate SSH algorithms with ${host}:${port}: ${why}`,
        false,
        'the server offers only algorithms that this client does not know or must not use',
      );
    case 'connect-timeout':
      return fail(
        'connect',
        `no connection to ${host}:${port} within ${formatLimit(options.connectTimeoutMs)}`,
        true,
        'check network and firewall, and whether the server is overloaded',
      );
    case 'too-many-connections':
      return fail(
        'connect',
        `${host} refuses one more connection of ${user}: ${why}`,
        true,
        'sos-ci needs up to 2 at a time, one for the stream and queries and one for git: have sshd.maxConnectionsPerUser raised, or stop other programs that use this account',
      );
    case 'unreachable':
      return fail('connect', `no connection to ${host}:${port}: ${why}`, true, socketHint(cause, port));
    case 'stopped':
      return stoppedConnection(target);
    default:
      return fail(
        'keep connection',
        `connection to ${target} lost: ${why}`,
        true,
        'sos-ci reconnects automatically',
      );
  }
}

/** The caller aborted the connection. */
export function stoppedConnection(target: string): OperationError {
  return new OperationError({
    operation: 'connect',
    target,
    message: `connection to ${target} stopped`,
    retryable: true,
    hint: '',
  });
}
