/**
 * The environment of a stage's command: the data of its job and patchset. PATH and LANG come from the host that runs
 * the command; no other variable of the daemon's own environment is passed on. `SOS_CI_SERVER` marks every process of
 * the server; the runner adds `SOS_CI_RUN`, the mark of the run.
 */
import { join } from 'node:path';
import type { EffectOf } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';

export type RunStage = EffectOf<'runStage'>;

/** The work tree in a server's directory. */
export function workTree(directory: string): string {
  return join(directory, 'tree');
}

/** The `NAME=value` in the environment of every process of the server. */
export function serverMarker(server: Pick<Server, 'id'>): string {
  return `SOS_CI_SERVER=${server.id}`;
}

/** The same for one run. The runner sets it, not `stageEnvironment`. */
export function runMarker(directory: string): string {
  return `SOS_CI_RUN=${directory}`;
}

/** The variables of these names that are set. */
export function pickVariables(
  from: Readonly<Record<string, string | undefined>>,
  names: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(
    names.flatMap((name) => {
      const value = from[name];
      return value === undefined ? [] : [[name, value] as const];
    }),
  );
}

/** @param directory the server's absolute directory on the host that runs the command */
export function stageEnvironment(request: RunStage, directory: string): Readonly<Record<string, string>> {
  const { run, patchset } = request;
  return {
    HOME: join(directory, 'home'),
    TMPDIR: join(directory, 'tmp'),
    SOS_CI_JOB: run.owner.job,
    SOS_CI_JOB_NAME: request.name,
    SOS_CI_ATTEMPT: String(run.owner.attempt),
    SOS_CI_STAGE: run.stage,
    SOS_CI_PROJECT: patchset.project,
    SOS_CI_BRANCH: patchset.branch,
    SOS_CI_CHANGE: String(patchset.change),
    SOS_CI_PATCHSET: String(patchset.patchset),
    SOS_CI_REF: patchset.ref,
    SOS_CI_REVISION: patchset.revision,
    SOS_CI_WORKTREE: workTree(directory),
    SOS_CI_DEPENDENCIES: join(directory, 'dependencies'),
    SOS_CI_DEPLOYMENT: run.owner.deployment,
    SOS_CI_SERVER: run.server.id,
  };
}

/** Refuses NUL characters: system calls end a string at the first NUL, and the rest would be lost silently. */
export function refuseNul(target: string, values: readonly string[]): void {
  if (!values.some((value) => value.includes('\0'))) return;
  throw new OperationError({
    operation: 'start stage',
    target,
    message: 'an argument or a value of the patchset contains a NUL character',
    retryable: false,
    hint: 'check the command of the stage and the change in Gerrit',
  });
}
