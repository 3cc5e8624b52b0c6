/** Creates a provider that manages its servers with the operator's own programs or playbooks. */
import { playbookProgram } from '../adapters/ansible/playbook-program.ts';
import { CommandProvider } from '../adapters/command/provider.ts';
import { LocalRuns } from '../adapters/local/local-runs.ts';
import type { NodeAccess } from '../adapters/run/node-access.ts';
import type { CommandProviderConfig, Config } from '../config/config.ts';

export function createCommandProvider(
  config: CommandProviderConfig,
  { stateDir, limits }: Pick<Config, 'stateDir' | 'limits'>,
  access: NodeAccess,
): CommandProvider {
  if (config.playbooks === undefined) return new CommandProvider({ config, access });
  const host = new LocalRuns({
    graceMs: limits.stopTermTimeoutMs,
    killTimeoutMs: limits.stopKillTimeoutMs,
    startTimeoutMs: limits.startTimeoutMs,
    endingTimeoutMs: limits.exitRecordTimeoutMs,
  });
  return new CommandProvider({
    config,
    access,
    run: playbookProgram({ stateDir, host, ...config.playbooks }),
  });
}
