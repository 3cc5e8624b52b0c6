/** Creates a provider that manages its servers with the operator's own programs or playbooks. */
import { CommandProvider } from '../adapters/command/provider.ts';
import type { NodeAccess } from '../adapters/run/node-access.ts';
import type { CommandProviderConfig, Config } from '../config/config.ts';
import { playbooksOnThisHost } from './playbooks.ts';

export function createCommandProvider(
  config: CommandProviderConfig,
  host: Pick<Config, 'stateDir' | 'limits'>,
  access: NodeAccess,
): CommandProvider {
  if (config.playbooks === undefined) return new CommandProvider({ config, access });
  return new CommandProvider({ config, access, run: playbooksOnThisHost(host, config.playbooks) });
}
