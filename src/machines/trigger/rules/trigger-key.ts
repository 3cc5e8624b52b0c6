/**
 * A patchset is tested once, whether it was visible from the beginning or became visible later. If its review refused it because
 * the change was hidden, it was not tested: it starts when it is shown, once for each time that it was refused so.
 */
import type { TriggerKind } from '../../model/domain.ts';

/** What a trigger has started: nothing, a review that refused a hidden change, or a test. */
export type Began = 'nothing' | 'hidden' | 'test';

/** The name under which the trigger may start now; null: it has started before. */
export function freeTrigger(
  began: (trigger: string) => Began,
  trigger: string,
  kind: TriggerKind,
): string | null {
  let name = trigger;
  for (let times = 1; ; times += 1) {
    const before = began(name);
    if (before === 'nothing') return name;
    if (kind !== 'ready' || before === 'test') return null;
    name = `${trigger}:shown-${times}`;
  }
}
