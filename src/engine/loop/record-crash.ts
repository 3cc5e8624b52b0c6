/**
 * Records an uncaught exception in the history that caused it, before the process ends. Two such rows park the history,
 * so one that crashes the daemon cannot block the others. SIGKILL, power loss and out of memory leave no row and never
 * count.
 */
import { errorText } from '../../errors.ts';
import type { Hash } from '../../machines/protocol/row.ts';
import type { Clock } from '../ports/adapters.ts';
import type { LogEntry, Store } from '../ports/store.ts';
import { dispatch, submissionFor } from './dispatch.ts';
import type { WorkContext } from './work-context.ts';

const MESSAGE_LIMIT = 500;

/** Returns true when the crash was attributed to a history. Never throws: no caller could handle it. */
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
    wasRequested: (history: string, key: string) => store.wasRequested(history, key),
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
