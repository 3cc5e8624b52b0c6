/**
 * The environment that a stage's command gets: the facts of its job and patchset, and nothing of the daemon's own
 * environment but the search path and the language. `SOS_CI_SERVER` marks every process of the server; the runner
 * itself adds `SOS_CI_RUN`, the mark of the run.
 */
import { join } from 'node:path';
import type { EffectOf } from '../../engine/ports.ts';
import type { Server } from '../../machines/vocabulary.ts';

export type RunStage = EffectOf<'runStage'>;

const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The folders of a local server. */
export function workTree(server: Server): string {
  return join(server.address, 'tree');
}

/** `NAME=value` that every process of the server carries. */
export function serverMarker(server: Pick<Server, 'id'>): string {
  return `SOS_CI_SERVER=${server.id}`;
}

/** The same for one run. The runner makes it, not this environment. */
export function runMarker(directory: string): string {
  return `SOS_CI_RUN=${directory}`;
}

export function stageEnvironment(
  request: RunStage,
  daemon: Readonly<Record<string, string | undefined>>,
): Readonly<Record<string, string>> {
  const { run, patchset } = request;
  return {
    PATH: daemon.PATH ?? DEFAULT_PATH,
    LANG: daemon.LANG ?? 'C.UTF-8',
    HOME: join(run.server.address, 'home'),
    TMPDIR: join(run.server.address, 'tmp'),
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
    SOS_CI_WORKTREE: workTree(run.server),
    SOS_CI_DEPLOYMENT: run.owner.deployment,
    SOS_CI_SERVER: run.server.id,
  };
}
