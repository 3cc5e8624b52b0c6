/** Events of a hold: an operator's request to keep the server of a job for debugging. */
import type { Failure, JobLimits, Login, Ownership, Server } from '../model/domain.ts';
import type { Verdict } from '../model/verdict.ts';
import type { CommonEvent, JobEvent } from '../protocol/events.ts';

/** The job whose server is kept. */
export type HoldTarget =
  /** The next job of this change that fails; `name` null: of any name. */
  | { readonly change: number; readonly name: string | null }
  /** This job, whatever its verdict. */
  | { readonly job: string };

/** The server that a job offers at its end, and the limits of the job's cleanup, which the hold continues with. */
export interface OfferedServer {
  readonly job: string;
  /** The job's name. */
  readonly name: string;
  readonly project: string;
  readonly change: number;
  readonly patchset: number;
  readonly verdict: Verdict;
  readonly server: Server;
  readonly owner: Ownership;
  readonly limits: Pick<JobLimits, 'cleanupTimeoutMs' | 'cleanupAttempts' | 'cleanupRetryMs'>;
}

export type HoldEvent =
  | CommonEvent
  | {
      readonly type: 'hold.requested';
      readonly hold: string;
      readonly target: HoldTarget;
      /** How long the server is kept. */
      readonly durationMs: number;
      /** The request ends if it gets no server within this time. */
      readonly waitMs: number;
      readonly by: string;
      readonly why: string;
    }
  /** From a job in its cleanup: the hold answers with `server.handed-over` or `server.offer-refused`. */
  | ({ readonly type: 'server.offered' } & OfferedServer)
  /** A job that the hold applies to ended without offering a server to it. */
  | { readonly type: 'hold.declined'; readonly job: string; readonly why: string }
  /** Settle `openServer`: a person can log in now; the preparation failed. */
  | { readonly type: 'server.opened'; readonly login: Login }
  | { readonly type: 'server.open-failed'; readonly failure: Failure }
  /** An operator ended the hold. */
  | { readonly type: 'hold.released'; readonly by: string; readonly why: string }
  | Extract<JobEvent, { readonly type: 'server.deleted' | 'server.delete-failed' }>;
