/** Janitors: how they run, and what starts them. */
import { basename, dirname } from 'node:path';
import { AnsibleJanitorPlaybooks } from '../adapters/ansible/janitor-playbooks.ts';
import { runProgram } from '../adapters/command/run-program.ts';
import { lastLine } from '../adapters/evidence/collect/last-line.ts';
import { current } from '../adapters/evidence/redact/redact.ts';
import { JanitorRuns } from '../adapters/janitor/runner.ts';
import type { ResourceCounts } from '../adapters/janitor/saved-state.ts';
import { TempestCleanup } from '../adapters/janitor/tempest.ts';
import { LocalRuns, type LocalRunsOptions } from '../adapters/local/local-runs.ts';
import type { Config, OpenStackProviderConfig } from '../config/config.ts';
import type { ServiceLimits } from '../config/constants.ts';
import { nextTime } from '../config/fields/schedule.ts';
import type { JanitorConfig, ThresholdConfig } from '../config/sections/janitors.ts';
import type { JanitorDefinition } from '../engine/operations/janitors.ts';
import type { JanitorRunner } from '../engine/ports/adapters.ts';
import { OperationError } from '../errors.ts';
import type { SecretValues } from '../log.ts';
import type { JanitorSpec } from '../machines/model/janitor.ts';
import { cloudOfTempest } from './tempest-cloud.ts';

/** A number and what a program may print besides it. */
const MAX_OUTPUT_BYTES = 4_096;

/** @param providers the OpenStack providers of the current configuration */
export function buildJanitorRunner(
  stateDir: string,
  runs: LocalRunsOptions,
  secrets: SecretValues,
  providers: () => readonly OpenStackProviderConfig[],
): JanitorRunner {
  const host = new LocalRuns(runs);
  const lastLineOf = lastLineReader(secrets);
  return new JanitorRuns({
    stateDir,
    host,
    playbooks: new AnsibleJanitorPlaybooks({ stateDir }),
    tempest: new TempestCleanup({ stateDir, host, ...cloudOfTempest(providers), lastLine: lastLineOf }),
    lastLine: lastLineOf,
  });
}

/** Saves the state of the clean cloud for `tempest cleanup`. Resolves to the number of resources of each kind. */
export async function saveCloudState(
  { stateDir, limits, redact, providers }: Pick<Config, 'stateDir' | 'limits' | 'redact' | 'providers'>,
  { name, work, timeoutMs }: JanitorSpec,
  signal: AbortSignal,
): Promise<ResourceCounts> {
  if (!('tempest' in work))
    throw new OperationError({
      operation: 'save state',
      target: name,
      message: 'this janitor does not run tempest cleanup',
      retryable: false,
      hint: 'only a janitor with the key tempest needs a saved state',
    });
  const host = new LocalRuns(stageLimits(limits));
  const cloud = cloudOfTempest(() => providers.filter((provider) => provider.type === 'openstack'));
  const options = { stateDir, host, ...cloud, lastLine: lastLineReader({ values: redact }) };
  return new TempestCleanup(options).save(name, work.tempest, timeoutMs, signal);
}

function lastLineReader(secrets: SecretValues) {
  const known = current(secrets);
  return (directory: string) => lastLine(dirname(directory), basename(directory), known());
}

export function janitorDefinitions({ janitors }: Pick<Config, 'janitors'>): readonly JanitorDefinition[] {
  return janitors.map(definitionOf);
}

function definitionOf({ spec, idleMs, schedule, threshold }: JanitorConfig): JanitorDefinition {
  const { name, backends } = spec;
  return {
    spec,
    view: { name, backends, idleMs, schedule, above: threshold?.above ?? null },
    nextTime: (after) => (schedule === null ? null : nextTime(schedule, after)),
    threshold:
      threshold === null
        ? null
        : {
            above: threshold.above,
            everyMs: threshold.everyMs,
            measure: (signal) => measure(name, threshold, signal),
          },
  };
}

async function measure(
  janitor: string,
  { argv, environment, timeoutMs }: ThresholdConfig,
  signal: AbortSignal,
): Promise<number> {
  const measured = await runProgram({
    operation: 'measure threshold',
    argv,
    input: { janitor },
    environment,
    timeoutMs,
    outputLimitBytes: MAX_OUTPUT_BYTES,
    signal,
  });
  if (typeof measured === 'number') return measured;
  throw new OperationError({
    operation: 'measure threshold',
    target: argv.join(' ').slice(0, 200),
    message: 'it did not print a number',
    retryable: false,
    hint: 'run the program by hand: it must print one number on its standard output',
  });
}

/** The limits of a stage, wherever it runs. */
export function stageLimits(limits: ServiceLimits) {
  return {
    graceMs: limits.stopTermTimeoutMs,
    killTimeoutMs: limits.stopKillTimeoutMs,
    startTimeoutMs: limits.startTimeoutMs,
    endingTimeoutMs: limits.exitRecordTimeoutMs,
    resultsLimitBytes: limits.maxResultsBytes,
  };
}
