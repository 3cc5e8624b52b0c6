/**
 * What went wrong on the way to a node, as an OperationError with a hint. Decided by ssh2's error levels, the system's
 * error codes and SSH's disconnect reasons, never by the text. A node that is not there now may be there in a minute: it
 * boots, its network was cut, its sshd refuses logins while it goes up or down. So all of that is `Away`.
 */
import { errorText, failureMarks, OperationError } from '../../errors.ts';
import { type NodeAddress, nodeName } from './address.ts';

/** The node can not be reached now, or the connection to it was cut: what was asked for may be asked for again. */
export class Away extends OperationError {}

/** The node was away for longer than anybody was ready to wait. */
export class StayedAway extends OperationError {}

/** SSH_DISCONNECT_* of RFC 4253 that speak of the account or of load. */
const TOO_MANY_CONNECTIONS = 12;
const NO_MORE_AUTH_METHODS = 14;
const ILLEGAL_USER_NAME = 15;

/** A connection that did not come up. `judged`: the host key had been shown (and accepted) by then. */
export function connectFailure(
  address: NodeAddress,
  limits: { readonly keyFile: string; readonly connectTimeoutMs: number },
  error: unknown,
  judged: boolean,
): Away {
  const { level, code } = failureMarks(error);
  const target = nodeName(address);
  const away = (operation: string, message: string, hint: string) =>
    new Away({ operation, target, message, retryable: true, hint, cause: error });
  if (level === 'client-authentication' || code === NO_MORE_AUTH_METHODS || code === ILLEGAL_USER_NAME) {
    return away(
      'log in to node',
      `${target} does not accept the key ${limits.keyFile}`,
      `add ${limits.keyFile}.pub to ~/.ssh/authorized_keys of ${address.user} on the node`,
    );
  }
  if (level === 'handshake' && !judged) {
    return away(
      'connect to node',
      `no agreement with ${target}: ${errorText(error)}`,
      'its SSH server knows none of the algorithms of this client, or no key of the type that is pinned',
    );
  }
  if (level === 'client-timeout') {
    return away(
      'connect to node',
      `no connection to ${target} within ${limits.connectTimeoutMs} ms`,
      'check network and firewall, and whether the node is up',
    );
  }
  if (code === TOO_MANY_CONNECTIONS) {
    return away('connect to node', `${target} has too many connections`, 'see what else logs in there');
  }
  const why = error === null ? 'closed by the node' : errorText(error);
  return away('connect to node', `no connection to ${target}: ${why}`, socketHint(code));
}

/** A connection that was up and ended without our doing. */
export function lostConnection(target: string, cause: unknown): Away {
  const why = cause === null ? 'closed by the node' : errorText(cause);
  return new Away({
    operation: 'keep connection to node',
    target,
    message: `connection to ${target} lost: ${why}`,
    retryable: true,
    hint: 'it is made again by itself',
    cause,
  });
}

/** Nobody wants it any more: a stop, a deadline, a deleted server. */
export function givenUp(operation: string, target: string): OperationError {
  return new OperationError({
    operation,
    target,
    message: 'given up before it was done',
    retryable: true,
    hint: 'none needed: it took too long, was cancelled, or the daemon stops',
  });
}

function socketHint(code: unknown): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there: is its SSH server up, and is the port right?';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'check the host name and this host’s DNS';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'check the network, and whether the node is up';
    default:
      return 'it is tried again by itself';
  }
}
