/**
 * Keeps starts within their limits. What is refused is counted by its rule, and the operator hears of it once for each storm,
 * however many comments it is made of.
 */
import { LIMIT_WINDOW_MS, reached, type StartLimits } from '../machines/rules/limit.ts';
import type { Finding } from '../machines/rules/word.ts';
import type { Start } from '../machines/trigger.ts';
import type { Alarms, Clock } from './ports.ts';
import type { Store } from './store.ts';

export interface Counting {
  readonly store: Store;
  readonly alarms: Alarms;
  readonly clock: Clock;
}

/** The limit that refuses the start; null: it may go on. */
export async function overLimit(
  { store, alarms, clock }: Counting,
  limits: StartLimits,
  { patchset, by, at }: Pick<Start, 'patchset' | 'by' | 'at'>,
): Promise<Finding | null> {
  const { project, change } = patchset;
  const until = at === 0 ? clock.now() : at;
  const counts = store.starts({ project, change, by, since: until - LIMIT_WINDOW_MS, until });
  const found = reached(limits, counts, { project, change, by });
  if (found === null) return null;
  const { rule, why, target } = found;
  store.count(`refused:${rule}`, 1);
  const kind = 'start-limit';
  const last = store.lastAlarm(kind, `${rule} ${target}`);
  if (last === null || clock.now() - last.lastAt >= LIMIT_WINDOW_MS) {
    await alarms.raise({
      kind,
      target: `${rule} ${target}`,
      message: `not started: ${why}`,
      hint: 'is somebody, or a program, asking again and again? triggers.limits holds the limits',
    });
  }
  return { rule, why };
}
