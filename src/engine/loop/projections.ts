/** What people see of a history: a pure reading of the state that a row led to. */
import type { JobContext } from '../../machines/job/machine-setup.ts';
import { assertNever } from '../../machines/model/domain.ts';
import type { Stored } from '../../machines/protocol/row.ts';
import type { ReviewContext } from '../../machines/review/machine-setup.ts';
import type { SlotHolder } from '../../machines/slot-queue.ts';
import type { Stepped } from '../../machines/step.ts';
import type { VerdictsContext } from '../../machines/verdicts/verdicts.ts';
import type { ProviderUse } from '../operations/provider-registry.ts';
import type { Append, View } from '../ports/store.ts';

/** A step made ready for the store. */
export function appendOf(before: Stored | null, { row, stored, texts }: Stepped): Append {
  const view = viewOf(stored);
  return {
    row,
    stored,
    texts,
    view,
    reopens: (before?.ended ?? false) && !stored.ended,
    endsJob: view.kind === 'job' && stored.ended && !(before?.ended ?? false),
  };
}

function viewOf(stored: Stored): View {
  switch (stored.machine) {
    case 'job@1':
      return jobView(stored, jobContext(stored));
    case 'review@1':
      return reviewView(stored, stored.context as unknown as ReviewContext);
    case 'publication@1':
    case 'stream@1':
    case 'config@1':
    case 'voting@1':
    case 'verdicts@1':
    case 'vigil@1':
      return { kind: 'other' };
    default:
      return assertNever(stored.machine);
  }
}

/** True for what a drain waits for: the others last as long as the database. */
export function isWork({ machine }: Stored): boolean {
  return machine === 'job@1' || machine === 'review@1';
}

/** True while a job begins nothing on a server any more: it publishes, reports, removes what it has, or has ended (undefined). */
export function needsNoServer(stored: Stored | undefined): boolean {
  if (stored === undefined) return true;
  return (
    stored.machine === 'job@1' && /^(publishing|reporting|cleanup|booting\.cleaningUp)\b/.test(stored.state)
  );
}

function jobContext(stored: Stored): JobContext {
  return stored.context as unknown as JobContext;
}

/** What a job counts against while it holds a slot at this point of its history, or null. */
export function slotHeld(stored: Stored): SlotHolder | null {
  if (stored.machine !== 'job@1') return null;
  const { slot, spec, patchset } = jobContext(stored);
  return slot ? { provider: spec.provider, name: spec.name, project: patchset.project } : null;
}

/** What the open jobs among these histories have to do with a provider. */
export function providerUse(histories: Iterable<Stored>, provider: string): ProviderUse {
  let [jobs, holders] = [0, 0];
  for (const stored of histories) {
    if (stored.machine !== 'job@1' || jobContext(stored).spec.provider !== provider) continue;
    jobs += 1;
    if (slotHeld(stored) !== null) holders += 1;
  }
  return { jobs, holders };
}

/** The review that may post on this change, while the history of the change's verdicts says so; null for any other history. */
export function mayPostOn(stored: Stored, change: number): string | null {
  if (stored.machine !== 'verdicts@1' || !stored.history.endsWith(`~${change}`)) return null;
  return (stored.context as unknown as VerdictsContext).turn;
}

/** True for a review of which at least one post was tried. The attempt is counted on when the next one begins. */
export function mayHavePosted(stored: Stored): boolean {
  if (stored.machine !== 'review@1') return false;
  const { postAttempt } = stored.context as unknown as ReviewContext;
  return postAttempt > 1 || stored.state.startsWith('posting.');
}

/** The timer that an unposted review waits for before it is tried again, or null. */
export function postRetry({ machine, state, owed }: Stored): string | null {
  if (machine !== 'review@1' || state !== 'posting.backoff') return null;
  return Object.values(owed).find(({ type }) => type === 'setTimer')?.key ?? null;
}

function jobView(stored: Stored, context: JobContext): View {
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
    provider: spec.provider,
    state: stored.state,
    ended: stored.ended,
    attempt: context.attempt,
    verdict: context.verdict,
    reason: context.reason,
    url: context.evidence === 'published' ? context.url : null,
    acceptedAt: context.acceptedAt,
    updatedAt: stored.at,
    endedAt: context.endedAt,
  };
}

function reviewView(stored: Stored, context: ReviewContext): View {
  const { patchset } = context;
  return {
    kind: 'review',
    id: context.review,
    pipeline: context.pipeline,
    project: patchset.project,
    branch: patchset.branch,
    change: patchset.change,
    patchset: patchset.patchset,
    state: stored.state,
    ended: stored.ended,
    outcome: context.outcome,
    openedAt: context.openedAt,
    updatedAt: stored.at,
  };
}
