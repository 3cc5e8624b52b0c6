/**
 * The events that can settle an effect: the one on success, and one for each way in which it can fail. The lists are
 * complete: an effect type without its events does not compile.
 */

import { assertNever, type ResolvedChange } from '../../src/machines/model/domain.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { CHANGE_STATE, FACTS, FAILED, failure, inForce, LOGIN, PASSED, RESOLVED, TREE } from './facts.ts';

/** The event that settles the effect on success. */
export function successEvent(effect: KeyedEffect, votes: Readonly<Record<string, number>>): AnyEvent {
  switch (effect.type) {
    case 'setTimer':
      return { type: 'timer.fired', timer: effect.key };
    case 'raiseAlarm':
      return { type: 'alarm.raised' };
    case 'acquireSlot':
      return { type: 'slot.granted' };
    case 'acquireBackends':
      return { type: 'backends.granted' };
    case 'runJanitor':
      return { type: 'janitor.exited', end: { how: 'exited', code: 0 } };
    case 'stopJanitor':
      return { type: 'janitor.stopped' };
    case 'lookUpChange':
      return { type: 'change.looked-up', change: RESOLVED };
    case 'mergePatchset':
      return { type: 'patchset.merged', trees: [TREE] };
    case 'createServer': {
      const { name, provider } = effect;
      const server = { id: `id-${name}`, name, address: `/servers/${name}`, provider };
      return { type: 'server.active', server, adopted: false, facts: FACTS };
    }
    case 'fetchPatchset':
      return { type: 'patchset.fetched', revision: effect.patchset.revision };
    case 'runStage':
      return { type: 'stage.exited', stage: effect.run.stage, end: { how: 'exited', code: 0 } };
    case 'stopStage':
      return { type: 'stage.stopped', stage: effect.run.stage };
    case 'readResults':
      return { type: 'results.read', results: PASSED };
    case 'collectEvidence':
      return {
        type: 'evidence.collected',
        files: 7,
        bytes: 4_096,
        skipped: 0,
        url: `https://logs.example.org/${effect.owner.job}/`,
      };
    case 'publishEvidence':
      return { type: 'evidence.published', url: `https://logs.example.org/${effect.owner.job}/` };
    case 'catchUp':
      return { type: 'catchup.completed', since: 0, changes: 2, found: 0, ambiguous: [], unparsed: 0 };
    case 'deleteServer':
      return { type: 'server.deleted', deleted: 1 };
    case 'openServer':
      return { type: 'server.opened', login: LOGIN };
    case 'discardEvidence':
      return { type: 'evidence.discarded' };
    case 'removeLeak':
      return { type: 'leak.removed', leak: effect.leak, by: effect.by };
    case 'postReview':
      return { type: 'review.posted', found: false, voted: Object.keys(effect.labels).length > 0, why: '' };
    case 'postStartMessage':
      return { type: 'start-message.posted' };
    case 'readChangeState':
      return {
        type: 'change-state.read',
        change: { ...CHANGE_STATE, vote: votes[effect.label] ?? 0 },
        jobs: [inForce('acme-dsvm')],
      };
    case 'readVotes':
      return { type: 'votes.read', votes };
    case 'sendMail':
      return { type: 'mail.sent' };
    default:
      return assertNever(effect);
  }
}

/** All other events that can settle the effect; none if it cannot fail. */
export function otherAnswers(effect: KeyedEffect): readonly AnyEvent[] {
  switch (effect.type) {
    case 'setTimer':
    case 'raiseAlarm':
    case 'acquireSlot':
    case 'acquireBackends':
      return [];
    case 'catchUp':
      return [{ type: 'catchup.failed', failure: failure('catch up') }];
    case 'lookUpChange':
      return [
        { type: 'change.lookup-failed', failure: failure('look up change') },
        { type: 'change.lookup-failed', failure: failure('look up change', { retryable: false }) },
        ...LOOKED_UP.map(
          (change): AnyEvent => ({ type: 'change.looked-up', change: { ...RESOLVED, ...change } }),
        ),
      ];
    case 'mergePatchset': {
      const { project, change, branch } = effect.patchset;
      return [
        { type: 'patchset.conflicted', project, change, branch, files: ['setup.cfg'] },
        { type: 'patchset.merge-failed', failure: failure('merge patchset') },
        { type: 'patchset.merge-failed', failure: failure('merge patchset', { retryable: false }) },
      ];
    }
    case 'createServer':
      return [{ type: 'server.create-failed', failure: failure('create server') }];
    case 'fetchPatchset':
      return [{ type: 'patchset.fetch-failed', failure: failure('fetch patchset') }];
    case 'runStage':
      return badEnds(effect.run.stage);
    case 'stopStage':
      return [{}, { unreachable: true } as const].map((change) => ({
        type: 'stage.stop-failed',
        stage: effect.run.stage,
        failure: failure('stop stage', change),
      }));
    case 'runJanitor':
      return [
        { type: 'janitor.exited', end: { how: 'exited', code: 3 }, lastLine: 'no route to the array' },
        { type: 'janitor.exited', end: { how: 'killed', signal: 9 } },
        { type: 'janitor.exited', end: { how: 'timedOut' } },
        { type: 'janitor.exited', end: { how: 'stopped' } },
        { type: 'janitor.lost', why: 'the runner was killed' },
        { type: 'janitor.start-failed', failure: failure('run janitor') },
      ];
    case 'stopJanitor':
      return [{ type: 'janitor.stop-failed', failure: failure('stop janitor') }];
    case 'readResults':
      return [
        { type: 'results.read', results: FAILED },
        { type: 'results.read-failed', why: 'results.tap is missing' },
      ];
    case 'collectEvidence':
      return [{ type: 'evidence.collect-failed', failure: failure('collect evidence') }];
    case 'publishEvidence':
      return [{ type: 'evidence.publish-failed', failure: failure('publish evidence') }];
    case 'deleteServer':
      return [{ type: 'server.delete-failed', failure: failure('delete server') }];
    case 'openServer':
      return [{ type: 'server.open-failed', failure: failure('open server') }];
    case 'discardEvidence':
      return [{ type: 'evidence.discard-failed', failure: failure('discard evidence') }];
    case 'removeLeak':
      return [{ type: 'leak.remove-failed', leak: effect.leak, failure: failure('delete server') }];
    case 'postReview':
      return [
        { type: 'vote.rejected', failure: failure('vote', { retryable: false }) },
        { type: 'review.post-failed', failure: failure('post review') },
        { type: 'review.post-failed', failure: failure('post review', { retryable: false }) },
        {
          type: 'review.posted',
          found: true,
          voted: false,
          why: 'patchset 3 is not the current one (4) any more',
        },
      ];
    case 'postStartMessage':
      return [{ type: 'start-message.post-failed', failure: failure('post start') }];
    case 'readChangeState':
      return [
        {
          type: 'change-state.read-failed',
          failure: failure('read change state'),
          jobs: [inForce('acme-dsvm')],
        },
        {
          type: 'change-state.read-failed',
          failure: failure('read change state', { retryable: false }),
          jobs: [inForce('acme-dsvm')],
        },
        { type: 'change-state.read', change: { ...CHANGE_STATE, status: 'merged' }, jobs: [] },
        { type: 'change-state.read', change: { ...CHANGE_STATE, vote: 1 }, jobs: [inForce('acme-other')] },
      ];
    case 'readVotes':
      return [
        { type: 'votes.read', votes: {} },
        { type: 'votes.read-failed', failure: failure('read votes') },
      ];
    case 'sendMail':
      return [
        { type: 'mail.send-failed', failure: failure('send mail') },
        { type: 'mail.send-failed', failure: failure('send mail', { retryable: false }) },
      ];
    default:
      return assertNever(effect);
  }
}

/** States of a change in which its jobs must not run. */
const LOOKED_UP: readonly Partial<ResolvedChange>[] = [
  { status: 'merged' },
  { status: 'missing', current: 0 },
  { current: RESOLVED.current + 1 },
  { wip: true },
  { private: true },
  { trouble: 'a cycle of dependencies: 1 -> 2 -> 1' },
];

function badEnds(stage: 'stacking' | 'testing'): readonly AnyEvent[] {
  return [
    { type: 'stage.exited', stage, end: { how: 'exited', code: 1 } },
    { type: 'stage.exited', stage, end: { how: 'exited', code: 127 } },
    { type: 'stage.exited', stage, end: { how: 'killed', signal: 9 } },
    { type: 'stage.exited', stage, end: { how: 'timedOut' } },
    { type: 'stage.exited', stage, end: { how: 'stopped' } },
    { type: 'stage.lost', stage, why: 'its lock is free and it left no rc' },
    { type: 'stage.lost', stage, why: 'the server was deleted', serverGone: true },
    { type: 'stage.start-failed', stage, failure: failure('run stage') },
  ];
}
