/**
 * Classifies SSH connection failures by ssh2's error levels, system error codes and SSH disconnect reasons, never by
 * message text. The caller that connects turns a failure into an error with a hint that fits its server.
 */
import { levelAndCode } from '../../../errors.ts';

export type SshFailureKind =
  /** The connection could not be established. */
  | 'key-refused'
  | 'no-common-algorithm'
  | 'connect-timeout'
  | 'too-many-connections'
  | 'unreachable'
  /** An established connection ended, and we did not close it. */
  | 'lost'
  /** The signal aborted, or we closed the connection. */
  | 'stopped'
  /** The server offers no SFTP, or its SFTP is broken. */
  | 'sftp-protocol'
  | 'sftp-not-runnable'
  | 'sftp-refused';

export interface SshFailure {
  readonly kind: SshFailureKind;
  readonly during: 'connect' | 'channel';
  /** Null: the other side closed the connection without a reason. */
  readonly cause: unknown;
}

/** The SSH_DISCONNECT_* codes of RFC 4253 that concern the account or the load. */
const TOO_MANY_CONNECTIONS = 12;
const NO_MORE_AUTH_METHODS = 14;
const ILLEGAL_USER_NAME = 15;
/** A shell's exit statuses for a program that it cannot run. */
const [CANNOT_EXECUTE, NOT_FOUND] = [126, 127];

/** @param keyShown whether the server had presented its host key by then */
export function connectFailureKind(cause: unknown, keyShown: boolean): SshFailureKind {
  const { level, code } = levelAndCode(cause);
  if (level === 'client-authentication' || code === NO_MORE_AUTH_METHODS || code === ILLEGAL_USER_NAME) {
    return 'key-refused';
  }
  if (level === 'handshake' && !keyShown) return 'no-common-algorithm';
  if (level === 'client-timeout') return 'connect-timeout';
  return code === TOO_MANY_CONNECTIONS ? 'too-many-connections' : 'unreachable';
}

export function sftpFailureKind(error: Error): SshFailureKind {
  const { level, code } = levelAndCode(error);
  if (level === 'sftp-protocol') return 'sftp-protocol';
  if (code === CANNOT_EXECUTE || code === NOT_FOUND) return 'sftp-not-runnable';
  return 'code' in error || 'reason' in error ? 'lost' : 'sftp-refused';
}

/** The hint for a socket that does not connect. */
export function socketHint(cause: unknown, port: number): string {
  switch (levelAndCode(cause).code) {
    case 'ECONNREFUSED':
      return `nothing listens on port ${port}: check that the SSH server is running, and check the port`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return "check the host name and this host's DNS";
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'check the network, and whether the host is up';
    default:
      return 'sos-ci retries automatically';
  }
}
