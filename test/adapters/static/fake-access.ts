/** Leased hosts that exist only here: every operation on them succeeds, unless a test replaces it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { HostAccess } from '../../../src/adapters/run/node-access.ts';
import { StaticProvider, type StaticProviderOptions } from '../../../src/adapters/static/provider.ts';
import type { StaticProviderConfig } from '../../../src/config/config.ts';
import { OperationError } from '../../../src/errors.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { sshConfig } from '../ssh/scratch.ts';

class FakeAccess implements HostAccess {
  prepare: HostAccess['prepare'] = async () => {};
  run: HostAccess['run'] = async () => {};
  wipe: HostAccess['wipe'] = async () => {};

  address({ user, host, port, directory }: Parameters<HostAccess['address']>[0]): string {
    return `ssh://${user}@${host}:${port}${directory}`;
  }

  async describe() {
    return { os: null, kernel: null, cpus: null, memoryBytes: null };
  }

  async open(): ReturnType<HostAccess['open']> {
    return { command: 'true', directory: '/' };
  }

  async pin(): Promise<void> {}
  async release(): Promise<void> {}
}

/** Providers of the same hosts, as before and after a reload. */
export class FakeHosts {
  readonly access = new FakeAccess();
  readonly stateDir = mkdtempSync(join(tmpdir(), 'sos-ci-static-'));

  provider(
    hosts: readonly string[],
    change: Partial<StaticProviderConfig> = {},
    options: Partial<StaticProviderOptions> = {},
  ): StaticProvider {
    const { access, stateDir } = this;
    const config: StaticProviderConfig = {
      type: 'static',
      name: 'lab',
      slots: hosts.length,
      ssh: sshConfig('/nonexistent/key'),
      hosts: hosts.map((name) => ({
        ...{ name, host: name, port: 22, user: 'stack' },
        ...{ directory: `/opt/${name}`, hostKey: null },
      })),
      reset: null,
      quarantineAfterFailures: 2,
      quarantineMs: 60_000,
      deleteTimeoutMs: 20_000,
      ...change,
    };
    return new StaticProvider({ config, stateDir, access, alarms: new FakeAlarms(), ...options });
  }

  close(): void {
    rmSync(this.stateDir, { recursive: true, force: true });
  }
}

/** The error of an operation on a host. */
export function hostError(message: string): OperationError {
  return new OperationError({ operation: 'use host', target: 'a', message, retryable: true, hint: '' });
}
