/** Events of the history of one change's verdicts: the results of its runs, and which review may post. */

import type { Verdict } from '../model/verdict.ts';
import type { CommonEvent } from '../protocol/events.ts';

export type VerdictsEvent =
  | CommonEvent
  /** A review was admitted with these jobs; the first one of a change begins the history. */
  | {
      readonly type: 'runs.admitted';
      readonly review: string;
      readonly patchset: number;
      /** The change's branch at that time: moving a change makes no new patchset. */
      readonly branch: string;
      readonly jobs: readonly { readonly job: string; readonly name: string; readonly voting: boolean }[];
    }
  /** A review has recorded a job's verdict. */
  | {
      readonly type: 'run.ended';
      readonly job: string;
      readonly verdict: Verdict;
      readonly url: string | null;
      /** The revisions of the open changes that the change depended on, as one string. */
      readonly dependencies: string;
      /** Whether its evidence is readable. */
      readonly readable: boolean;
    }
  /** A review is ready to post and waits for its turn. */
  | { readonly type: 'turn.requested'; readonly review: string }
  /** A review requests the runs on these patchsets. */
  | {
      readonly type: 'verdicts.requested';
      readonly review: string;
      readonly from: number;
      readonly to: number;
    }
  /** A review has ended in any way: the next one may post. */
  | { readonly type: 'review.ended'; readonly review: string };
