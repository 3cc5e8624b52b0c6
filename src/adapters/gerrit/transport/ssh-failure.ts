/**
 * What went wrong with a connection, as an OperationError with a hint. Decided by ssh2's error levels, the system's
 * error codes and SSH's disconnect reasons, never by the text.
 */
import { errorText, failureMarks, OperationError } from '../../../errors.ts';
import type { GerritOptions } from './ssh-connection.ts';

/** SSH_DISCONNECT_* of RFC 4253 that speak of the account or of load. */
const TOO_MANY_CONNECTIONS = 12;
const NO_MORE_AUTH_METHODS = 14;
const ILLEGAL_USER_NAME = 15;

/** A connection that did not come up. `judged`: the host key had been shown (and accepted) by then. */
export function connectFailure(options: GerritOptions, error: unknown, judged: boolean): OperationError {
  const { level, code } = failureMarks(error);
  const target = `${options.user}@${options.host}:${options.port}`;
  const fail = (operation: string, message: string, retryable: boolean, hint: string): OperationError =>
    new OperationError({ operation, target, message, retryable, hint, cause: error });
  if (level === 'client-authentication' || code === NO_MORE_AUTH_METHODS || code === ILLEGAL_USER_NAME) {
    return fail(
      'authenticate',
      `${options.host} does not accept the key ${options.keyFile} for user ${options.user}`,
      false,
      `check the username, and that ${options.keyFile}.pub is among the SSH keys of that Gerrit account`,
    );
  }
  if (level === 'handshake' && !judged) {
    return fail(
      'agree on algorithms',
      `no agreement with ${options.host}:${options.port}: ${errorText(error)}`,
      false,
      'the server speaks only algorithms that this client does not know or is not told to use',
    );
  }
  if (level === 'client-timeout') {
    return fail(
      'connect',
      `no connection to ${options.host}:${options.port} within ${options.connectTimeoutMs} ms`,
      true,
      'check network and firewall, and whether the server is overloaded',
    );
  }
  if (code === TOO_MANY_CONNECTIONS) {
    return fail(
      'connect',
      `${options.host} refuses one more connection of ${options.user}: ${errorText(error)}`,
      true,
      'sos-ci needs 2 at a time, one for the stream and queries and one for git: have sshd.maxConnectionsPerUser raised, or end other programs that use this account',
    );
  }
  return fail(
    'connect',
    `no connection to ${options.host}:${options.port}: ${error === null ? 'closed by the server' : errorText(error)}`,
    true,
    socketHint(code, options),
  );
}

/** A connection that was up and ended without our doing. */
export function lostConnection(target: string, cause: unknown): OperationError {
  return new OperationError({
    operation: 'keep connection',
    target,
    message: `connection to ${target} lost: ${cause === null ? 'closed by the server' : errorText(cause)}`,
    retryable: true,
    hint: 'it is made again by itself',
    cause,
  });
}

/** We were told to stop. */
export function stoppedConnection(target: string): OperationError {
  return new OperationError({
    operation: 'connect',
    target,
    message: `connection to ${target} stopped`,
    retryable: true,
    hint: '',
  });
}

function socketHint(code: unknown, options: GerritOptions): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens on port ${options.port}: is Gerrit up, and is its SSH port right?`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'check the host name and this host’s DNS';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'check this host’s network';
    default:
      return 'it is tried again by itself';
  }
}
