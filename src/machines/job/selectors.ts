/** Selectors for every version of the job machine. They read the tags of its states and its JobContext. */
import type { AnyStateMachine } from 'xstate';
import type { Projection } from '../protocol/projection.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import { defineVersion, hasTag, type MachineVersion } from '../protocol/version.ts';
import type { JobContext } from './machine-setup.ts';

export function jobVersion(machine: () => AnyStateMachine): MachineVersion {
  const tagged = ({ state }: HistorySnapshot, tag: 'queued' | 'cleanup' | 'parked' | 'past-server') =>
    hasTag(machine(), state, tag);
  const isQueued = (stored: HistorySnapshot) => tagged(stored, 'queued');
  return defineVersion(machine, {
    project: (stored) =>
      projectJob(stored, {
        queued: isQueued(stored),
        cleaningUp: tagged(stored, 'cleanup'),
        parked: tagged(stored, 'parked'),
      }),
    reviewOf: (stored) => contextOf(stored).review,
    isWork: () => true,
    blocksDrain: (stored) => !isQueued(stored),
    isQueued,
    isPastServer: (stored) => tagged(stored, 'past-server'),
    heldSlot: (stored) => {
      const { slot, spec, patchset } = contextOf(stored);
      const { provider, name, backends = [] } = spec;
      return slot ? { provider, name, project: patchset.project, backends } : null;
    },
    usedBackends: (stored) => {
      const { startedAt, spec } = contextOf(stored);
      return startedAt === null ? [] : (spec.backends ?? []);
    },
    attempt: (stored) => {
      const { startedAt, attempt } = contextOf(stored);
      return startedAt === null ? null : attempt;
    },
    isPromoted: (stored) => contextOf(stored).promotions > 0,
    lastLine: (stored) => contextOf(stored).lastLine,
    environment: (stored) => contextOf(stored).environment,
    jobProvider: (stored) => contextOf(stored).spec.provider,
  });
}

function projectJob(
  stored: HistorySnapshot,
  phase: { readonly queued: boolean; readonly cleaningUp: boolean; readonly parked: boolean },
): Projection {
  const context = contextOf(stored);
  const { patchset, spec } = context;
  return {
    kind: 'job',
    id: context.job,
    review: context.review,
    name: spec.name,
    pipeline: spec.pipeline,
    project: patchset.project,
    branch: patchset.branch,
    change: patchset.change,
    patchset: patchset.patchset,
    subject: patchset.subject,
    owner: patchset.owner,
    provider: spec.provider,
    state: stored.state,
    ended: stored.ended,
    ...phase,
    attempt: context.attempt,
    verdict: context.verdict,
    reason: context.reason,
    url: context.evidence === 'published' ? context.url : null,
    acceptedAt: context.acceptedAt,
    updatedAt: stored.at,
    endedAt: context.endedAt,
  };
}

function contextOf(stored: HistorySnapshot): JobContext {
  return stored.context as unknown as JobContext;
}
