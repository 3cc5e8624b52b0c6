/** Selectors for every version of the janitor machine. They read the tags of its states and its JanitorContext. */
import type { HistorySnapshot } from '../protocol/row.ts';
import { type CleaningStatus, hasTag, type Selectors } from '../protocol/version.ts';
import { asJanitor } from '../slot-queue.ts';
import { type JanitorContext, janitorMachine } from './janitor.ts';

export const janitorSelectors: Partial<Selectors> = {
  attempt: (stored) => contextOf(stored).attempt,
  heldSlot: (stored) => {
    const { holding, janitor } = contextOf(stored);
    return holding && !stored.ended ? asJanitor(janitor) : null;
  },
  cleaningStatus: (stored) => {
    const { cleaning, janitor, cause, attempt, requestedAt, startedAt, endedAt, outcome, reason } =
      contextOf(stored);
    const { name, backends } = janitor;
    return {
      ...{ cleaning, janitor: name, backends, cause, phase: phaseOf(stored) },
      ...{ attempt, requestedAt, startedAt, endedAt, outcome, reason },
    };
  },
};

function phaseOf({ state }: HistorySnapshot): CleaningStatus['phase'] {
  const tagged = (tag: string) => hasTag(janitorMachine(), state, tag);
  if (tagged('ended')) return 'ended';
  if (tagged('waiting')) return 'waiting';
  return tagged('stopping') ? 'stopping' : 'running';
}

function contextOf({ context }: HistorySnapshot): JanitorContext {
  return context as unknown as JanitorContext;
}
