/**
 * The trigger key with which a patchset may start. A patchset starts once on its branch. It starts again when the
 * change is moved, and when the change becomes ready and the last start has tested nothing on this branch: its review
 * rejected a hidden change, was withdrawn, or tested for another branch. Each start has its own key.
 */
import type { TriggerKind } from '../../model/domain.ts';
import type { RuleName } from './rule-names.ts';

/** What a trigger has started, for one branch. `other`: the start was withdrawn, or tested for another branch. */
export type Began = 'nothing' | 'hidden' | 'other' | 'test';
export type BeganBy = (trigger: string, branch: string) => Began;

interface Wanted {
  readonly trigger: string;
  readonly kind: TriggerKind;
  readonly rule: RuleName;
  readonly patchset: { readonly branch: string };
}

/** The key that may start now; null: it has started before. */
export function availableTriggerKey(
  began: BeganBy,
  { trigger, kind, rule, patchset }: Wanted,
): string | null {
  const { last, free } = startsOf(began, trigger, patchset.branch);
  const mayStart = last === 'nothing' || rule === 'moved' || (kind === 'ready' && last !== 'test');
  return mayStart ? free : null;
}

/** The result of the last start. */
export function lastStart(began: BeganBy, trigger: string, branch: string): Began {
  return startsOf(began, trigger, branch).last;
}

function startsOf(
  began: BeganBy,
  trigger: string,
  branch: string,
): { readonly last: Began; readonly free: string } {
  let last: Began = 'nothing';
  let free = trigger;
  for (let times = 1; ; times += 1) {
    const start = began(free, branch);
    if (start === 'nothing') return { last, free };
    last = start;
    free = `${trigger}:again-${times}`;
  }
}
