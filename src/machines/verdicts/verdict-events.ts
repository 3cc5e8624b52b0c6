/** What the history of one change's verdicts can be told. */

import type { Verdict } from '../model/verdict.ts';
import type { CommonEvent } from '../protocol/events.ts';

/** Facts of the history of one change's verdicts: what its runs came to, and which review may post. */
export type VerdictsEvent =
  | CommonEvent
  /** A review was admitted with these jobs; the first one of a change begins the history. */
  | {
      readonly type: 'runs.admitted';
      readonly review: string;
      readonly patchset: number;
      /** The branch that the change was for then: a move makes no patchset. */
      readonly branch: string;
      readonly jobs: readonly { readonly job: string; readonly name: string; readonly voting: boolean }[];
    }
  /** A review has taken a job's verdict. */
  | {
      readonly type: 'run.ended';
      readonly job: string;
      readonly verdict: Verdict;
      readonly url: string | null;
      /** The revisions of the open changes that the change depended on, as one text. */
      readonly dependencies: string;
      /** Whether people can read its evidence. */
      readonly readable: boolean;
    }
  /** A review is about to post, and waits for its turn. */
  | { readonly type: 'turn.requested'; readonly review: string }
  /** A review asks for the runs on these patchsets. */
  | {
      readonly type: 'verdicts.requested';
      readonly review: string;
      readonly from: number;
      readonly to: number;
    }
  /** A review has ended, however it did: the next one may post. */
  | { readonly type: 'review.ended'; readonly review: string };
