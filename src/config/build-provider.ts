/** From the checked file to what a provider's adapter gets: paths absolute, and what one key leaves open taken from another. */
import type { ProviderConfig, SshConfig, StaticHostConfig } from './config.ts';
import type { ProviderFile, SshFile } from './sections/providers.ts';

type StaticFile = Extract<ProviderFile, { type: 'static' }>;

export function buildProvider(
  name: string,
  file: ProviderFile,
  path: (path: string) => string,
): ProviderConfig {
  switch (file.type) {
    case 'local':
      return {
        type: 'local',
        name,
        slots: file.slots,
        allowUntrustedCode: file.allowUntrustedCode,
        user: file.user,
        deleteTimeoutMs: file.deleteTimeout,
      };
    case 'static':
      return {
        type: 'static',
        name,
        slots: Object.keys(file.hosts).length,
        ssh: buildSsh(file.ssh, path),
        hosts: Object.keys(file.hosts).map((host) => buildHost(host, file)),
        clean: file.clean === undefined ? null : { argv: file.clean.command, timeoutMs: file.clean.timeout },
        failures: file.failures,
        asideMs: file.aside,
        deleteTimeoutMs: file.deleteTimeout,
      };
    case 'command':
      return {
        type: 'command',
        name,
        slots: file.slots,
        ssh: buildSsh(file.ssh, path),
        place: { user: file.ssh.user, port: file.ssh.port, directory: file.ssh.directory },
        create: file.create,
        list: file.list,
        delete: file.delete,
        listTimeoutMs: file.listTimeout,
        deleteTimeoutMs: file.deleteTimeout,
        outputLimitBytes: file.outputLimit,
        environment: file.environment,
      };
  }
}

function buildHost(name: string, file: StaticFile): StaticHostConfig {
  const host = file.hosts[name];
  if (host === undefined) throw new Error(`no host ${name}`);
  return {
    name,
    host: host.host,
    port: host.port ?? file.ssh.port,
    user: host.user ?? file.ssh.user,
    directory: host.directory ?? file.ssh.directory,
    hostKey: host.hostKey,
  };
}

function buildSsh(ssh: SshFile, path: (path: string) => string): SshConfig {
  return {
    keyFile: path(ssh.key),
    knownHostsFile: ssh.knownHosts === null ? null : path(ssh.knownHosts),
    connectTimeoutMs: ssh.connectTimeout,
    keepaliveMs: ssh.keepalive,
    keepaliveMax: ssh.keepaliveMax,
    backoffMinMs: ssh.backoffMin,
    backoffMaxMs: ssh.backoffMax,
    commandTimeoutMs: ssh.commandTimeout,
    awayTimeoutMs: ssh.away,
    idleMs: ssh.idle,
    safetyMs: ssh.safety,
  };
}
