/** Selectors for every version of the hold machine. They read the tags of its states and its HoldContext. */
import type { HistorySnapshot } from '../protocol/row.ts';
import { type HoldStatus, hasTag, type Selectors } from '../protocol/version.ts';
import { type HoldContext, holdMachine, untilOf } from './hold.ts';

export const holdSelectors: Partial<Selectors> = {
  heldSlot: (stored) => {
    const { held } = contextOf(stored);
    if (held === null || stored.ended) return null;
    return { provider: held.server.provider, name: held.name, project: held.project, isHeld: true };
  },
  holdStatus: (stored) => {
    const context = contextOf(stored);
    const { hold, target, by, why, requestedAt, ending, held, login, problem } = context;
    return {
      ...{ hold, target, by, why, requestedAt, ending },
      phase: phaseOf(stored),
      until: untilOf(context),
      held: held === null ? null : { ...held, login, problem },
    };
  },
};

function phaseOf({ state }: HistorySnapshot): HoldStatus['phase'] {
  const tagged = (tag: string) => hasTag(holdMachine(), state, tag);
  if (tagged('ended')) return 'ended';
  if (tagged('armed')) return 'waiting';
  return tagged('releasing') ? 'releasing' : 'held';
}

function contextOf({ context }: HistorySnapshot): HoldContext {
  return context as unknown as HoldContext;
}
