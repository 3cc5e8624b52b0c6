/** Runs the operator's playbooks on this host, as programs that answer a request. */
import { type PlaybookCall, playbookProgram } from '../adapters/ansible/playbook-program.ts';
import { LocalRuns } from '../adapters/local/local-runs.ts';
import type { Config } from '../config/config.ts';

export function playbooksOnThisHost(
  { stateDir, limits }: Pick<Config, 'stateDir' | 'limits'>,
  files: { readonly inventory: string | null; readonly variableFiles: readonly string[] },
): (call: PlaybookCall) => Promise<unknown> {
  const host = new LocalRuns({
    graceMs: limits.stopTermTimeoutMs,
    killTimeoutMs: limits.stopKillTimeoutMs,
    startTimeoutMs: limits.startTimeoutMs,
    endingTimeoutMs: limits.exitRecordTimeoutMs,
  });
  return playbookProgram({ stateDir, host, ...files });
}
