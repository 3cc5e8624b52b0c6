/**
 * A patchset is tested once, whether it was uploaded for all to see or became so later. One that was refused because the
 * change was hidden when it was looked at, though the event had not said so, was not tested: when it is shown it is started
 * after all, once for each time that it was refused so.
 */
import type { ReviewContext } from '../machines/review/setup.ts';
import { createdTrigger } from '../machines/trigger.ts';
import type { Patchset, TriggerKind } from '../machines/vocabulary.ts';
import type { Store } from './store.ts';

type Started = Pick<Store, 'startedBy' | 'stored'>;

/** The name under which it may be started now; null: it was started before. */
export function freeTrigger(store: Started, trigger: string, kind: TriggerKind): string | null {
  let name = trigger;
  for (let times = 1; ; times += 1) {
    const review = store.startedBy(name);
    if (review === null) return name;
    if (kind !== 'ready' || !wasHidden(store, review)) return null;
    name = `${trigger}:shown-${times}`;
  }
}

/** True while it waits to be shown, after it was refused for being hidden. */
export function waitsToBeShown(store: Started, patchset: Patchset): boolean {
  const trigger = createdTrigger(patchset);
  return store.startedBy(trigger) !== null && freeTrigger(store, trigger, 'ready') !== null;
}

function wasHidden(store: Started, review: string): boolean {
  const context = store.stored(review)?.context as Partial<ReviewContext> | undefined;
  return context?.hidden === true;
}
