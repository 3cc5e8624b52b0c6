/** Events of a cleaning: one request to a janitor to clean up what tests left in a cloud or on a back end. */
import type { Failure, StageEnd } from '../model/domain.ts';
import type { CleaningCause, JanitorSpec } from '../model/janitor.ts';
import type { CommonEvent } from '../protocol/events.ts';

export type JanitorEvent =
  | CommonEvent
  | {
      readonly type: 'cleaning.requested';
      readonly cleaning: string;
      readonly janitor: JanitorSpec;
      readonly cause: CleaningCause;
    }
  /** Settles `acquireBackends`. */
  | { readonly type: 'backends.granted' }
  /** Settles nothing: it runs, with this process id. */
  | { readonly type: 'janitor.started'; readonly pid: number; readonly adopted: boolean }
  /** Settles `runJanitor`: it ended. */
  | {
      readonly type: 'janitor.exited';
      readonly end: StageEnd;
      /** Its last line of output, if it failed and the line is known. */
      readonly lastLine?: string;
    }
  /** Settles `runJanitor`: it vanished without an exit status. */
  | { readonly type: 'janitor.lost'; readonly why: string }
  /** Settles `runJanitor`: it could not be started. */
  | { readonly type: 'janitor.start-failed'; readonly failure: Failure }
  /** Settle `stopJanitor`: no process of it is left; some may be. */
  | { readonly type: 'janitor.stopped' }
  | { readonly type: 'janitor.stop-failed'; readonly failure: Failure };
