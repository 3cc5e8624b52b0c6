/** Describes effects: as a request in a row, and as one that is still pending. */
import { assertNever, stageText } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { workText } from '../../machines/model/janitor.ts';
import type { Effect, KeyedEffect } from '../../machines/protocol/effects.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import { count, timeLeft } from './event.ts';
import { leakText } from './leak.ts';

/** Null for effects that are not shown, such as a cancelled timer. */
export function effectText(effect: Effect): string | null {
  switch (effect.type) {
    case 'cancelEffect':
      if (effect.key.startsWith('backends:')) return 'cancel the request for back ends';
      return /^slot(:|$)/.test(effect.key) ? 'cancel the request for a slot' : null;
    case 'sendEvent':
      return sentEventText(effect.to, effect.event);
    case 'setTimer': {
      const [kind, state = effect.key] = effect.key.split(':');
      if (kind === 'expiry') return `end in ${formatLimit(effect.delayMs)}`;
      return kind === 'retry'
        ? `try ${state} again in ${formatLimit(effect.delayMs)}`
        : `${state} within ${formatLimit(effect.delayMs)}`;
    }
    default:
      return requestText(effect);
  }
}

/** One line for a pending effect. */
export function pendingText(effect: KeyedEffect, now: number): string {
  if (effect.type !== 'setTimer') return requestText(effect);
  const [kind, state = effect.key] = effect.key.split(':');
  if (kind === 'expiry') return `end ${timeLeft(effect.dueAt, now)}`;
  const what = kind === 'retry' ? `try ${state} again` : `deadline of ${state}`;
  return `${what} ${timeLeft(effect.dueAt, now)}`;
}

function sentEventText(to: string, event: AnyEvent): string {
  switch (event.type) {
    case 'job.reported':
      return `report ${event.report.verdict} to review ${to}`;
    case 'job.ready':
      return `queue job ${to} for a slot`;
    case 'job.rejected':
      return `refuse job ${to}: ${event.verdict}`;
    case 'verdict.accepted':
      return `confirm the verdict to job ${to}`;
    case 'vote.requested':
      return 'ask whether this CI may vote';
    case 'run.ended':
      return `record ${event.verdict} of job ${event.job} for the vote`;
    case 'turn.requested':
      return 'wait for other reviews of the change that are posting';
    case 'turn.granted':
      return `let review ${to} post`;
    case 'verdicts.requested':
      return 'request the verdicts of all runs on the change';
    case 'verdicts.listed':
      return `send the verdicts of all runs on the change to review ${to}`;
    case 'review.ended':
      return 'let the next review of the change post';
    case 'vote.allowed':
      return `let review ${to} vote`;
    case 'vote.withheld':
      return `withhold the vote of review ${to}`;
    case 'publication.opened':
      return `publish later, as ${to}`;
    case 'evidence.published':
    case 'evidence.abandoned':
      return `report the state of its evidence to job ${to}`;
    case 'job.evidence-published':
    case 'job.evidence-abandoned':
      return `report the state of pending evidence to review ${to}`;
    case 'server.offered':
      return `offer the server to hold ${to}`;
    case 'server.handed-over':
      return `take over the server of job ${to}`;
    case 'server.offer-refused':
      return `leave the server to job ${to}`;
    case 'hold.declined':
      return `give no server to hold ${to}`;
    case 'job.cancelled':
    case 'job.superseded':
      return `cancel job ${to}`;
    default:
      return `send ${event.type} to ${to}`;
  }
}

function requestText(effect: Exclude<KeyedEffect, { type: 'setTimer' }>): string {
  switch (effect.type) {
    case 'raiseAlarm':
      return effect.alarm.cleared === true
        ? `clear the alarm: ${effect.alarm.message}`
        : `raise an alarm: ${effect.alarm.message}`;
    case 'acquireSlot':
      return `wait for a slot of ${effect.provider}`;
    case 'acquireBackends':
      return `wait until no job uses ${effect.backends.join(', ')}`;
    case 'runJanitor':
      return `run janitor ${effect.run.janitor}: ${workText(effect.work)}`;
    case 'stopJanitor':
      return `end every process of janitor ${effect.run.janitor}`;
    case 'catchUp':
      return effect.changes === null
        ? 'query Gerrit for missed events'
        : `query Gerrit for missed events on ${effect.changes.join(', ')}`;
    case 'lookUpChange':
      return `read change ${effect.patchset.change} from Gerrit`;
    case 'mergePatchset':
      return `merge ${effect.patchset.ref} onto ${effect.patchset.branch}`;
    case 'createServer':
      return `create server ${effect.name} on ${effect.provider}`;
    case 'fetchPatchset':
      return `fetch ${effect.patchset.ref}`;
    case 'runStage':
      return `run ${effect.run.stage}: ${stageText(effect.spec)}`;
    case 'stopStage':
      return `stop ${effect.run.stage}`;
    case 'readResults':
      return `read ${effect.results.file}`;
    case 'collectEvidence':
      return 'collect evidence';
    case 'publishEvidence':
      return 'publish evidence';
    case 'deleteServer':
      return 'delete every server of this job';
    case 'openServer':
      return `prepare server ${effect.server.name} for an operator's login`;
    case 'discardEvidence':
      return 'delete the evidence gathered on this host';
    case 'removeLeak':
      return `remove ${leakText(effect.leak)}`;
    case 'postReview': {
      const votes = Object.entries(effect.labels).map(([label, value]) => `${label} ${value}`);
      return `post the review${votes.length === 0 ? ' without a vote' : ` with ${votes.join(', ')}`} to ${effect.patchset.change},${effect.patchset.patchset}`;
    }
    case 'postStartMessage':
      return `post the start message to ${effect.patchset.change},${effect.patchset.patchset}`;
    case 'readChangeState':
      return `read change ${effect.patchset.change} and our vote on it`;
    case 'readVotes':
      return 'read our votes back from Gerrit';
    case 'sendMail':
      return `send mail to ${effect.mail.to.join(', ')}`;
    default:
      return assertNever(effect);
  }
}

export function pendingCount(pending: readonly { readonly effect: KeyedEffect }[]): string {
  const timers = pending.filter((item) => item.effect.type === 'setTimer').length;
  return `${count(pending.length - timers, 'request')} and ${count(timers, 'timer')}`;
}
