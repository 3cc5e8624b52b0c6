/**
 * Stories of the histories that never end, of which a database has one each: the connection to Gerrit, whether this CI
 * may vote, and what an operator must hear of. Told like those in stories.ts, and recorded with them.
 */

import { VOTING } from '../../src/machines/system/voting.ts';
import { verdictsOf } from '../../src/machines/verdicts/verdicts.ts';
import { jobReport, opened, PATCHSET, REVIEW, reportSpec } from './facts.ts';
import { Simulator } from './simulator.ts';
import {
  closed,
  connected,
  crashed,
  gapped,
  lost,
  refused,
  STREAM,
  StreamWorld,
  started,
  unclosed,
} from './stream-world.ts';

export const endlessStories: Readonly<Record<string, () => Simulator>> = {
  'gerrit-lost-and-found': () => {
    const world = new StreamWorld().receive(lost);
    world.fire(STREAM);
    world.receive(connected, gapped([7])).settle(closed({ found: 2, unsure: [8] }));
    world.settle(closed()).settleDown().receive(gapped(null));
    for (let times = 0; times < 3; times += 1) {
      world.settle(unclosed);
      world.fire(STREAM);
    }
    world.receive({
      type: 'machine.failed',
      event: 'catchup.completed',
      message: 'undefined is not iterable',
    });
    world.settle(closed()).receive(lost, refused, { type: 'stream.stopped' }, started(), connected);
    world.receive(crashed, started(1_000), connected).settle(closed()).receive(lost);
    for (const { type, key } of world.owed(STREAM)) if (type === 'raiseAlarm') world.answer(STREAM, key);
    return world;
  },

  'voting-stopped-and-resumed': () => {
    const world = Simulator.review(reportSpec({ maxConsecutiveFailures: 1 }));
    world.send(VOTING, { type: 'voting.opened' });
    world.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'FAILURE' }) });
    world.answerType(VOTING, 'raiseAlarm');
    world.run();
    world.send(VOTING, { type: 'voting.resumed', by: 'alice', why: 'the switch is fixed' });
    return troubled(world, VOTING).run();
  },

  'two-reviews-of-one-patchset': () => {
    const world = Simulator.review();
    const second = opened(reportSpec(), [{ job: 'job-2', name: 'acme-dsvm', voting: true }]);
    const other = 'review-2';
    if (second.type === 'review.opened') world.send(other, { ...second, review: other });
    world.answerType(other, 'lookUpChange');
    world.answerType(other, 'mergePatchset');
    const verdicts = verdictsOf(PATCHSET);
    world.send(REVIEW, { type: 'job.reported', report: jobReport({ verdict: 'FAILURE' }) });
    // It waits for its turn, and its failure of the same job counts then.
    const failed = jobReport({ job: 'job-2', verdict: 'FAILURE' });
    world.send(other, { type: 'job.reported', report: failed });
    troubled(world, verdicts);
    world.send(verdicts, {
      type: 'machine.quarantine-failed',
      event: 'run.ended',
      message: 'undefined is not a function',
    });
    return world.run();
  },
};

/** What such a history must outlive: an event breaks it, and the daemon goes down over it. */
function troubled(world: Simulator, history: string): Simulator {
  const message = 'undefined is not a function';
  world.send(history, { type: 'machine.failed', event: 'alarm.raised', message });
  world.send(history, { type: 'daemon.crashed', during: 'alarm.raised', message });
  return world;
}
