/**
 * The ssh command for git, with our key and known_hosts and without the configuration of the user or host. git passes
 * this line to a shell, so every argument is quoted.
 */
import { OperationError } from '../../errors.ts';
import { shellQuoted } from '../run/shell-word.ts';

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
  return ['ssh', '-F', '/dev/null', ...options.flatMap((option) => ['-o', option])]
    .map(shellQuoted)
    .join(' ');
}

/** ssh splits values at spaces and expands %-letters in them. */
function file(path: string): string {
  if (/["\n\0]/.test(path)) {
    throw new OperationError({
      operation: 'fetch patchset',
      target: path,
      message: 'ssh does not accept a file name that contains a quotation mark or a line break',
      retryable: false,
      hint: 'rename the file',
    });
  }
  return `"${path.replaceAll('%', '%%')}"`;
}
