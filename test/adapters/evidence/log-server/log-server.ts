/** A log server: a real sshd whose SFTP writes to a directory of this host. */
import { writeFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { LogServerConfig } from '../../../../src/config/logs-config.ts';
import type { Sshd } from '../../../fixtures/sshd.ts';

/** @param port another port that leads to the sshd */
export async function logServerConfig(sshd: Sshd, dir: string, port = sshd.port): Promise<LogServerConfig> {
  const knownHostsFile = join(sshd.directory, `known_hosts-${port}`);
  writeFileSync(knownHostsFile, `[127.0.0.1]:${port} ${sshd.hostKey}\n`);
  await mkdir(dir, { recursive: true });
  return {
    type: 'ssh',
    host: '127.0.0.1',
    port,
    user: sshd.user,
    keyFile: sshd.keyFile,
    knownHostsFile,
    dir,
    connectTimeoutMs: 10_000,
    keepaliveMs: 5_000,
    keepaliveMax: 3,
    closeTimeoutMs: 1_000,
  };
}
