/**
 * The trigger key with which a patchset may start. A patchset starts once on its branch. It starts again when the
 * change is moved, and when the change becomes ready and the last start has tested nothing on this branch: its review
 * rejected a hidden change, was withdrawn, or tested for another branch. Each start has its own key.
 */
import type { TriggerKind } from '../../model/domain.ts';
import type { RuleName } from './rule-names.ts';

/** What a trigger has started, for one branch. `other`: the start was withdrawn, or tested for another branch. */
export type StartResult = 'nothing' | 'hidden' | 'other' | 'test';
export type StartLookup = (trigger: string, branch: string) => StartResult;

interface Wanted {
  readonly trigger: string;
  readonly kind: TriggerKind;
  readonly rule: RuleName;
  readonly patchset: { readonly branch: string };
}

/** The key that may start now; null: it has started before. */
export function availableTriggerKey(
  startResult: StartLookup,
  { trigger, kind, rule, patchset }: Wanted,
): string | null {
  const { last, free } = startsOf(startResult, trigger, patchset.branch);
  const mayStart = last === 'nothing' || rule === 'moved' || (kind === 'ready' && last !== 'test');
  return mayStart ? free : null;
}

/** The result of the last start. */
export function lastStart(startResult: StartLookup, trigger: string, branch: string): StartResult {
  return startsOf(startResult, trigger, branch).last;
}

function startsOf(
  startResult: StartLookup,
  trigger: string,
  branch: string,
): { readonly last: StartResult; readonly free: string } {
  let last: StartResult = 'nothing';
  let free = trigger;
  for (let times = 1; ; times += 1) {
    const start = startResult(free, branch);
    if (start === 'nothing') return { last, free };
    last = start;
    free = `${trigger}:again-${times}`;
  }
}
