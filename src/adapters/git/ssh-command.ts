/**
 * The ssh command for git, with our key and known_hosts and without the configuration of the user or host. git passes
 * this line to a shell, so every argument is quoted.
 */
import { optionPath } from '../openssh/option-path.ts';
import { shellQuoted } from '../run/shell-word.ts';

export interface SshIdentity {
  readonly keyFile: string;
  readonly knownHostsFile: string;
  readonly connectTimeoutMs: number;
}

export function sshCommand(identity: SshIdentity): string {
  const path = (file: string) => optionPath('fetch patchset', file);
  const options = [
    'BatchMode=yes',
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `IdentityFile=${path(identity.keyFile)}`,
    'PreferredAuthentications=publickey',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${path(identity.knownHostsFile)}`,
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
