/**
 * Stories of the histories that never end: the connection to Gerrit, the permission to vote and the archive, once in
 * each database, and the verdicts, once for each patchset. They have the form of those in stories.ts, and are recorded with them.
 */

import { continuedEvent } from '../../src/machines/continued.ts';
import { ARCHIVE } from '../../src/machines/system/archive.ts';
import type { Range } from '../../src/machines/system/ranges.ts';
import { VOTING } from '../../src/machines/system/voting.ts';
import { verdictsOf } from '../../src/machines/verdicts/verdicts.ts';
import { jobReport, opened, PATCHSET, REVIEW, reportSpec } from './facts.ts';
import { Simulator, sha256 } from './simulator.ts';
import {
  catchUpCompleted,
  catchUpFailed,
  connected,
  crashed,
  gapSuspected,
  lost,
  refused,
  STREAM,
  StreamSimulator,
  started,
} from './stream-simulator.ts';

export const endlessStories: Readonly<Record<string, () => Simulator>> = {
  'gerrit-lost-and-found': () => {
    const simulator = new StreamSimulator().receive(lost);
    simulator.fire(STREAM);
    simulator.receive(connected, gapSuspected([7])).settle(catchUpCompleted({ found: 2, ambiguous: [8] }));
    simulator.settle(catchUpCompleted()).completeSecondCatchUp().receive(gapSuspected(null));
    for (let times = 0; times < 3; times += 1) {
      simulator.settle(catchUpFailed);
      simulator.fire(STREAM);
    }
    simulator.receive({
      type: 'machine.failed',
      event: 'catchup.completed',
      message: 'undefined is not iterable',
    });
    simulator
      .settle(catchUpCompleted())
      .receive(lost, refused, { type: 'stream.stopped' }, started(), connected);
    simulator.receive(crashed, started(1_000), connected).settle(catchUpCompleted()).receive(lost);
    for (const { type, key } of simulator.pendingEffects(STREAM))
      if (type === 'raiseAlarm') simulator.answer(STREAM, key);
    return simulator;
  },

  'voting-stopped-and-resumed': () => {
    const simulator = Simulator.review(reportSpec({ maxConsecutiveFailures: 1 }));
    simulator.send(VOTING, { type: 'voting.opened' });
    simulator.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'FAILURE' }) });
    simulator.answerType(VOTING, 'raiseAlarm');
    simulator.run();
    simulator.send(VOTING, { type: 'voting.resumed', by: 'alice', why: 'the switch is fixed' });
    return withFailures(simulator, VOTING).run();
  },

  'histories-archived': () => {
    const simulator = new Simulator();
    simulator.send(VOTING, { type: 'voting.opened' });
    const archive = (number: number, seqs: readonly Range[], removed: readonly number[] = []) => {
      const head = simulator.at(VOTING).hash;
      const histories = [{ history: VOTING, first: number, last: number, head, whole: false }];
      const file = { number, sha256: sha256(String(number)), bytes: 1 };
      simulator.send(ARCHIVE, { type: 'histories.archived', file, histories, seqs, removed });
    };
    archive(1, [[1, 1]]);
    for (const number of [2, 3]) {
      simulator.send(VOTING, continuedEvent(simulator.at(VOTING)));
      archive(number, [[2 * number, 2 * number]], [1]);
    }
    return withFailures(simulator, ARCHIVE);
  },

  'two-reviews-of-one-patchset': () => {
    const simulator = Simulator.review();
    const second = opened(reportSpec(), [{ job: 'job-2', name: 'acme-dsvm', voting: true }]);
    const other = 'review-2';
    if (second.type === 'review.opened') simulator.send(other, { ...second, review: other });
    simulator.answerType(other, 'lookUpChange');
    simulator.answerType(other, 'mergePatchset');
    const verdicts = verdictsOf(PATCHSET);
    simulator.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'FAILURE' }) });
    // It waits for its turn; only then does its failure of the same job count.
    const failed = jobReport({ job: 'job-2', verdict: 'FAILURE' });
    simulator.send(other, { type: 'job.reported', report: failed });
    withFailures(simulator, verdicts);
    simulator.send(verdicts, {
      type: 'machine.quarantine-failed',
      event: 'run.ended',
      message: 'undefined is not a function',
    });
    return simulator.run();
  },
};

/** Failures that such a history must survive: an event that the machine cannot process, and a crash of the daemon. */
function withFailures(simulator: Simulator, history: string): Simulator {
  const message = 'undefined is not a function';
  simulator.send(history, { type: 'machine.failed', event: 'alarm.raised', message });
  simulator.send(history, { type: 'daemon.crashed', during: 'alarm.raised', message });
  return simulator;
}
