/**
 * Creates the configured providers as definitions. A definition becomes an adapter immediately, or after the provider that it
 * replaces has drained. Nodes are reached with the SSH configuration of the adapter in use.
 */
import { systemClock } from '../adapters/clock/system.ts';
import { LocalProvider } from '../adapters/local/provider.ts';
import { OpenStackProvider } from '../adapters/openstack/provider.ts';
import { writeConsole } from '../adapters/run/run-directory.ts';
import { NodeMaintenance } from '../adapters/ssh/node-maintenance.ts';
import { NodePool } from '../adapters/ssh/node-pool.ts';
import { StaticProvider } from '../adapters/static/provider.ts';
import type { Config, OpenStackProviderConfig, ProviderConfig, SshConfig } from '../config/config.ts';
import {
  type ProviderDefinition,
  ProviderRegistry,
  type ReportCapacity,
} from '../engine/operations/provider-registry.ts';
import type { Alarms, Provider } from '../engine/ports/adapters.ts';
import { assertNever, type Ownership } from '../machines/model/domain.ts';
import type { Wrappers } from './build-adapters.ts';
import { createCommandProvider } from './command-provider.ts';
import { openStackSession } from './openstack-session.ts';

export interface BuiltProviders {
  readonly set: ProviderRegistry;
  readonly nodes: NodePool;
  /** The OpenStack providers in use, also those that wait for jobs to end before they are removed. */
  openStack(): readonly OpenStackProviderConfig[];
  /** The definitions of another configuration. */
  define(config: Config): readonly ProviderDefinition[];
}

/**
 * @param slots overrides the slots of every provider
 * @param onStep called while a server boots, with each step of a provider that reports them
 * @param holdsSlot whether a job still has its slot
 */
export function buildProviders(
  config: Config,
  slots: number | undefined,
  alarms: Alarms,
  wrappers: Wrappers | null,
  onStep: (step: string) => void = () => {},
  holdsSlot: (job: string) => boolean = () => false,
): BuiltProviders {
  const { stateDir, limits } = config;
  const sshConfigs = new Map<string, SshConfig>();
  const openStackConfigs = new Map<string, OpenStackProviderConfig>();
  const nodes = new NodePool({ stateDir, configOf: (name) => sshConfigs.get(name) });
  const deleteLimits = { graceMs: limits.deleteTermTimeoutMs, killTimeoutMs: limits.deleteKillTimeoutMs };
  const runLimits = { startTimeoutMs: limits.startTimeoutMs, endingTimeoutMs: limits.exitRecordTimeoutMs };
  const maintenance = new NodeMaintenance({ stateDir, nodes, ...deleteLimits, ...runLimits });
  const create = (provider: ProviderConfig, onCapacity: ReportCapacity): Provider => {
    const { type, name } = provider;
    openStackConfigs.delete(name);
    if (type !== 'local') sshConfigs.set(name, provider.ssh);
    switch (type) {
      case 'local':
        return new LocalProvider({ ...provider, stateDir, ...deleteLimits });
      case 'static':
        return new StaticProvider({
          ...{ config: provider, stateDir, access: maintenance },
          ...{ alarms, onCapacity, holdsSlot },
        });
      case 'command':
        return createCommandProvider(provider, config, maintenance);
      case 'openstack': {
        openStackConfigs.set(name, provider);
        const session = openStackSession(provider);
        const access = maintenance;
        const clock = systemClock;
        const keepConsole = (owner: Ownership, text: string) => writeConsole(stateDir, owner, text);
        const options = { config: provider, session, access, clock, onStep, onCapacity, keepConsole };
        return new OpenStackProvider(options);
      }
      default:
        return assertNever(type);
    }
  };
  const define = ({ providers }: Config) =>
    providers.map((provider): ProviderDefinition => {
      return {
        name: provider.name,
        slots: slotCount(provider, slots),
        text: definitionKey(provider),
        make: (onCapacity) => {
          const made = create(provider, onCapacity);
          return wrappers === null ? made : wrappers.provider(made);
        },
      };
    });
  const set = new ProviderRegistry(define(config));
  const openStack = () => [...openStackConfigs.values()].filter(({ name }) => set.providers.has(name));
  return { set, nodes, openStack, define };
}

/** A static provider has at most one slot for each host. */
function slotCount({ type, slots }: ProviderConfig, override: number | undefined): number {
  return type === 'static' ? Math.min(override ?? slots, slots) : (override ?? slots);
}

/** Identifies a definition. `slots` and `allowUntrustedCode` do not count: changing them keeps the provider. */
function definitionKey(provider: ProviderConfig): string {
  const { slots, ...rest } = provider;
  return JSON.stringify(rest, (key, value) => (key === 'allowUntrustedCode' ? undefined : value));
}
