/**
 * Runs all checks of `sos-ci doctor` in parallel, each with its own timeout. A composition root: combines the adapters' probes
 * with the configuration. Changes nothing; no finding contains a secret.
 */
import { systemClock } from '../../adapters/clock/system.ts';
import type { Config } from '../../config/config.ts';
import type { Clock } from '../../engine/ports/adapters.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { externalChecks } from './external.ts';
import { type Check, type Finding, failed, failure, ok } from './finding.ts';
import { gerritChecks } from './gerrit.ts';
import { hostChecks } from './host.ts';
import { providerChecks } from './nodes.ts';
import { restAccountChecks } from './rest-account.ts';
import { stageChecks } from './stages.ts';

/** Returns findings in the order in which a job needs what they check. */
export async function runChecks(config: Config, clock: Clock = systemClock): Promise<readonly Finding[]> {
  const names = config.jobs.map(({ spec }) => spec.name).join(', ');
  const checks = [
    ...hostChecks(config),
    ...gerritChecks(config, clock),
    ...restAccountChecks(config, clock),
    ...providerChecks(config),
    ...stageChecks(config),
    ...externalChecks(config, clock),
  ];
  const found = await Promise.all(checks.map((check) => withTimeout(check, config.doctor.timeoutMs, clock)));
  return [ok({ check: 'config', target: config.file }, `valid; jobs: ${names}`), ...found.flat()];
}

async function withTimeout(check: Check, timeoutMs: number, clock: Clock): Promise<readonly Finding[]> {
  const controller = new AbortController();
  let disarm = (): void => {};
  const timedOut = new Promise<readonly Finding[]>((resolve) => {
    disarm = clock.after(timeoutMs, () => {
      const found = `not done within ${formatLimit(timeoutMs)}`;
      resolve([failure(check, found, 'check whether it responds')]);
      controller.abort();
    });
  });
  try {
    return await Promise.race([check.run(controller.signal), timedOut]);
  } catch (error) {
    return [failed(check, error)];
  } finally {
    disarm();
  }
}
