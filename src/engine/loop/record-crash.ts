/**
 * The last word of a daemon that goes down: whose work it was is written to that history before the process ends. Two
 * such rows park the job, so that one poisonous job cannot keep the daemon from the others. SIGKILL, power
 * loss and out of memory leave no row and never count.
 */
import { errorText } from '../../errors.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import type { Clock } from '../ports/adapters.ts';
import type { LogEntry, Store } from '../ports/store.ts';
import { dispatch, submissionFor } from './dispatch.ts';
import type { WorkContext } from './work-context.ts';

const MESSAGE_LIMIT = 500;

/** Returns true when the crash was laid at a history's door. Never throws: there is nobody left to catch. */
export async function recordCrash(
  store: Store,
  clock: Clock,
  hash: Hash,
  work: WorkContext | undefined,
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
    const batch: LogEntry[] = [];
    const event = { type: 'daemon.crashed', during: work.during, message } as const;
    dispatch(batch, submissionFor(work.history, event), options);
    await store.append(batch);
    return true;
  } catch {
    return false;
  }
}
