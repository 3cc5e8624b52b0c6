/**
 * The ssh that git starts: our key and our known_hosts, and nothing of the user's or the host's own set-up. git hands
 * this line to a shell, so every word of it is quoted.
 */
import { OperationError } from '../../errors.ts';

export interface SshIdentity {
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly connectTimeoutMs: number;
}

export function sshCommand(identity: SshIdentity): string {
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile=${file(identity.keyFile)}`,
    'PreferredAuthentications=publickey',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${file(identity.knownHostsFile)}`,
    'GlobalKnownHostsFile=/dev/null',
    'UpdateHostKeys=no',
    'VerifyHostKeyDNS=no',
    'ClearAllForwardings=yes',
    'ForwardAgent=no',
    'ControlMaster=no',
    'ControlPath=none',
    'PermitLocalCommand=no',
    `ConnectTimeout=${Math.ceil(identity.connectTimeoutMs / 1000)}`,
    'ServerAliveInterval=15',
    'ServerAliveCountMax=4',
    'LogLevel=ERROR',
  ];
  return ['ssh', '-F', '/dev/null', ...options.flatMap((option) => ['-o', option])].map(quoted).join(' ');
}

/** ssh splits a value at spaces and replaces %-letters in it. */
function file(path: string): string {
  if (/["\n\0]/.test(path)) {
    throw new OperationError({
      operation: 'fetch patchset',
      target: path,
      message: 'ssh cannot be given a file name with a quotation mark or a line end in it',
      retryable: false,
      hint: 'give the file another name',
    });
  }
  return `"${path.replaceAll('%', '%%')}"`;
}

/** Inside single quotes a shell takes everything as it stands, but for the quote itself. */
function quoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
