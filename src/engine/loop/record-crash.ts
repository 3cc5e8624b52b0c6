/**
 * The last word of a daemon that goes down: whose work it was is written to that history before the process ends. Two
 * such rows park the job, so that one poisonous job can not keep the daemon from the others. SIGKILL, power
 * loss and out of memory leave no row and never count.
 */
import { errorText } from '../../errors.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import type { Clock } from '../ports/adapters.ts';
import type { Append, Store } from '../ports/store.ts';
import { addressed, cascade } from './dispatch.ts';
import type { Work } from './work-context.ts';

const MESSAGE_LIMIT = 500;

/** Returns true when the crash was laid at a history's door. Never throws: there is nobody left to catch. */
export async function recordCrash(
  store: Store,
  clock: Clock,
  hash: Hash,
  work: Work | undefined,
  error: unknown,
): Promise<boolean> {
  if (work === undefined) return false;
  const options = {
    hash,
    now: () => clock.now(),
    stored: (history: string) => store.stored(history),
    asked: (history: string, key: string) => store.asked(history, key),
    strict: false,
  };
  const message = errorText(error).slice(0, MESSAGE_LIMIT);
  try {
    if (store.stored(work.history)?.ended !== false) return false;
    const batch: Append[] = [];
    const event = { type: 'daemon.crashed', during: work.during, message } as const;
    cascade(batch, addressed(work.history, event), options);
    await store.append(batch);
    return true;
  } catch {
    return false;
  }
}
