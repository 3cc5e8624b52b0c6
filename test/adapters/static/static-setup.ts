/** The setup of tests with leased hosts. */
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import { StaticProvider } from '../../../src/adapters/static/provider.ts';
import type { StaticHostConfig, StaticProviderConfig } from '../../../src/config/config.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { NEVER } from '../../fixtures/never.ts';
import type { Sshd } from '../../fixtures/sshd.ts';
import { NodeScratch } from '../ssh/scratch.ts';

/** A provider whose hosts are all this one, each with a separate disk. */
export class StaticSetup {
  readonly scratch: NodeScratch;
  readonly alarms = new FakeAlarms();
  now = Date.now();
  readonly #sshd: Sshd;
  readonly #hosts: readonly string[];
  readonly #change: Partial<StaticProviderConfig>;

  constructor(sshd: Sshd, hosts: readonly string[], change: Partial<StaticProviderConfig> = {}) {
    this.scratch = new NodeScratch(sshd, { connectTimeoutMs: 5_000 });
    this.#sshd = sshd;
    this.#hosts = hosts;
    this.#change = change;
  }

  host(name: string): StaticHostConfig {
    const { user, port } = this.#sshd;
    return { name, host: '127.0.0.1', port, user, directory: join(this.scratch.disk, name), hostKey: null };
  }

  provider(
    change: Partial<StaticProviderConfig> = {},
    onCapacity: (hosts: number) => void = () => {},
  ): StaticProvider {
    const { scratch, alarms } = this;
    const config: StaticProviderConfig = {
      type: 'static',
      name: 'lab',
      slots: this.#hosts.length,
      ssh: scratch.config,
      hosts: this.#hosts.map((name) => this.host(name)),
      reset: null,
      quarantineAfterFailures: 2,
      quarantineMs: 60_000,
      deleteTimeoutMs: 20_000,
      ...this.#change,
      ...change,
    };
    const { stateDir, nodes } = scratch;
    const access = new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS, graceMs: 300 });
    return new StaticProvider({ config, stateDir, access, alarms, onCapacity, now: () => this.now });
  }

  disk(host: string): readonly string[] {
    const directory = join(this.scratch.disk, host);
    return existsSync(directory) ? readdirSync(directory) : [];
  }

  leases(): readonly string[] {
    const directory = join(this.scratch.stateDir, 'leases', 'lab');
    return existsSync(directory) ? readdirSync(directory) : [];
  }
}

export const signal = NEVER;
