/** What a machine asked for, in plain words: as a request, and as something that is still owed. */
import { assertNever } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { Effect, KeyedEffect } from '../../machines/protocol/effects.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { count, timeLeft } from './event.ts';

/** Null for what tells a reader nothing: a timer that is taken back. */
export function effectText(effect: Effect): string | null {
  switch (effect.type) {
    case 'cancelEffect':
      return /^slot(:|$)/.test(effect.key) ? 'take back the request for a slot' : null;
    case 'sendEvent':
      return tellText(effect.to, effect.event);
    case 'setTimer': {
      const [kind, state = effect.key] = effect.key.split(':');
      return kind === 'retry'
        ? `try ${state} again in ${formatLimit(effect.delayMs)}`
        : `${state} within ${formatLimit(effect.delayMs)}`;
    }
    default:
      return requestText(effect);
  }
}

/** One line for an effect that has not been settled. */
export function pendingText(effect: KeyedEffect, now: number): string {
  if (effect.type !== 'setTimer') return requestText(effect);
  const [kind, state = effect.key] = effect.key.split(':');
  const what = kind === 'retry' ? `try ${state} again` : `deadline of ${state}`;
  return `${what} ${timeLeft(effect.dueAt, now)}`;
}

function tellText(to: string, event: AnyEvent): string {
  switch (event.type) {
    case 'job.reported':
      return `hand ${event.report.verdict} to review ${to}`;
    case 'job.ready':
      return `let job ${to} wait for a slot`;
    case 'job.rejected':
      return `refuse job ${to}: ${event.verdict}`;
    case 'verdict.accepted':
      return `tell job ${to} that its verdict is taken`;
    case 'vote.requested':
      return 'ask whether this CI may vote';
    case 'run.ended':
      return `keep ${event.verdict} of job ${event.job} for the vote`;
    case 'turn.requested':
      return 'ask whether another review of the change posts';
    case 'turn.granted':
      return `let review ${to} post`;
    case 'verdicts.requested':
      return 'ask what all runs on the change came to';
    case 'verdicts.listed':
      return `tell review ${to} what all runs on the change came to`;
    case 'review.ended':
      return `end: the next review of the change may post`;
    case 'vote.allowed':
      return `let review ${to} vote`;
    case 'vote.withheld':
      return `keep the vote of review ${to} back`;
    case 'publication.opened':
      return `publish later, as ${to}`;
    case 'evidence.published':
    case 'evidence.abandoned':
      return `tell job ${to} what became of its evidence`;
    case 'job.evidence-published':
    case 'job.evidence-abandoned':
      return `tell review ${to} what became of evidence that was pending`;
    case 'job.cancelled':
    case 'job.superseded':
      return `cancel job ${to}`;
    default:
      return `tell ${to}: ${event.type}`;
  }
}

function requestText(effect: Exclude<KeyedEffect, { type: 'setTimer' }>): string {
  switch (effect.type) {
    case 'raiseAlarm':
      return effect.alarm.cleared === true
        ? `tell the operator that it is over: ${effect.alarm.message}`
        : `tell the operator: ${effect.alarm.message}`;
    case 'acquireSlot':
      return `wait for a slot of ${effect.provider}`;
    case 'catchUp':
      return effect.changes === null
        ? 'ask Gerrit what was missed'
        : `ask Gerrit what was missed on ${effect.changes.join(', ')}`;
    case 'lookUpChange':
      return `ask Gerrit how change ${effect.patchset.change} is now`;
    case 'mergePatchset':
      return `merge ${effect.patchset.ref} onto ${effect.patchset.branch}`;
    case 'createServer':
      return `make server ${effect.name} on ${effect.provider}`;
    case 'fetchPatchset':
      return `fetch ${effect.patchset.ref}`;
    case 'runStage':
      return `run ${effect.run.stage}: ${effect.spec.argv.join(' ')}`;
    case 'stopStage':
      return `stop ${effect.run.stage}`;
    case 'readResults':
      return `read ${effect.results.file}`;
    case 'collectEvidence':
      return 'collect evidence';
    case 'publishEvidence':
      return 'publish evidence';
    case 'deleteServer':
      return 'remove every server of this job';
    case 'discardEvidence':
      return 'remove what was gathered on this host';
    case 'postReview': {
      const votes = Object.entries(effect.labels).map(([label, value]) => `${label} ${value}`);
      return `post the review${votes.length === 0 ? ', no vote' : ` with ${votes.join(', ')}`} to ${effect.patchset.change},${effect.patchset.patchset}`;
    }
    case 'postStartMessage':
      return `say on ${effect.patchset.change},${effect.patchset.patchset} that the tests begin`;
    case 'readChangeState':
      return `read our vote on change ${effect.patchset.change}, and how it is now`;
    case 'readVotes':
      return 'read our votes back';
    case 'sendMail':
      return `tell ${effect.mail.to.join(', ')} by mail`;
    default:
      return assertNever(effect);
  }
}

export function pendingCount(owed: readonly { readonly effect: KeyedEffect }[]): string {
  const timers = owed.filter((item) => item.effect.type === 'setTimer').length;
  return `${count(owed.length - timers, 'request')} and ${count(timers, 'timer')}`;
}
