/**
 * Whose work is being done: follows every promise and callback that began with it, so that an exception which nobody
 * caught can be laid at a history's door.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface WorkContext {
  readonly history: string;
  /** The event that was stepped or the effect that was performed. */
  readonly during: string;
}

export const workContext = new AsyncLocalStorage<WorkContext>();
