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
/** A shell's exit statuses for a program that it can not run. */
const [CANNOT_EXECUTE, NOT_FOUND] = [126, 127];

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

/** SFTP that the node does not offer, or offers broken. Trying again does not help; everything else may pass: `Away`. */
export function sftpFailure(target: string, error: Error): OperationError {
  const { level, code } = failureMarks(error);
  const permanent = (message: string, hint: string) =>
    new OperationError({ operation: 'open SFTP', target, message, retryable: false, hint, cause: error });
  if (level === 'sftp-protocol') {
    return permanent(
      `the SFTP server of ${target} answers with something else: ${errorText(error)}`,
      'the account needs no forced command, and start-up files of its shell that print nothing without a terminal',
    );
  }
  if (code === CANNOT_EXECUTE || code === NOT_FOUND) {
    return permanent(
      `the SFTP server of ${target} can not be run (exit status ${code})`,
      'install the program that `Subsystem sftp` of sshd_config on the node names, or name internal-sftp there',
    );
  }
  if (!('code' in error) && !('reason' in error)) {
    return permanent(
      `${target} refuses the SFTP subsystem`,
      'put `Subsystem sftp internal-sftp` into sshd_config on the node',
    );
  }
  return lostConnection(target, error);
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
