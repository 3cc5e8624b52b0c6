/** Which events settle which effect. */
import type { KeyedEffect } from './effects.ts';
import type { AnyEvent, EventType } from './events.ts';

/** A test compares it with the recorded histories. */
export const SETTLED_BY: Readonly<Record<KeyedEffect['type'], readonly EventType[]>> = {
  setTimer: ['timer.fired'],
  raiseAlarm: ['alarm.raised'],
  acquireSlot: ['slot.granted'],
  acquireBackends: ['backends.granted'],
  runJanitor: ['janitor.exited', 'janitor.lost', 'janitor.start-failed'],
  stopJanitor: ['janitor.stopped', 'janitor.stop-failed'],
  createServer: ['server.active', 'server.create-failed'],
  fetchPatchset: ['patchset.fetched', 'patchset.fetch-failed'],
  lookUpChange: ['change.looked-up', 'change.lookup-failed'],
  mergePatchset: ['patchset.merged', 'patchset.conflicted', 'patchset.merge-failed'],
  runStage: ['stage.exited', 'stage.lost', 'stage.start-failed'],
  stopStage: ['stage.stopped', 'stage.stop-failed'],
  readResults: ['results.read', 'results.read-failed'],
  collectEvidence: ['evidence.collected', 'evidence.collect-failed'],
  publishEvidence: ['evidence.published', 'evidence.publish-failed'],
  deleteServer: ['server.deleted', 'server.delete-failed'],
  openServer: ['server.opened', 'server.open-failed'],
  discardEvidence: ['evidence.discarded', 'evidence.discard-failed'],
  removeLeak: ['leak.removed', 'leak.remove-failed'],
  postReview: ['review.posted', 'review.post-failed', 'vote.rejected'],
  catchUp: ['catchup.completed', 'catchup.failed'],
  postStartMessage: ['start-message.posted', 'start-message.post-failed'],
  readChangeState: ['change-state.read', 'change-state.read-failed'],
  readVotes: ['votes.read', 'votes.read-failed'],
  sendMail: ['mail.sent', 'mail.send-failed'],
};

/** The keys of the pending effects that this event may settle. */
export function keysSettledBy(
  event: AnyEvent,
  pending: Readonly<Record<string, KeyedEffect>>,
): readonly string[] {
  return Object.values(pending)
    .filter(({ type, key }) => {
      if (!SETTLED_BY[type].includes(event.type)) return false;
      return event.type !== 'timer.fired' || event.timer === key;
    })
    .map(({ key }) => key);
}
