/**
 * Tracks which history the current work belongs to, across its promises and callbacks, so that an uncaught exception
 * can be attributed to a history.
 */
import { AsyncLocalStorage } from 'node:async_hooks';

export interface WorkContext {
  readonly history: string;
  /** The type of the stepped event, or the key of the performed effect. */
  readonly during: string;
}

export const workContext = new AsyncLocalStorage<WorkContext>();
