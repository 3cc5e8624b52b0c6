/** Describes events, one line each. Callers must escape control characters before printing. */
import { deadlineText } from '../../machines/job/failure-reason.ts';
import {
  assertNever,
  type Failure,
  type MergedTree,
  type Patchset,
  type ResolvedChange,
  type ResultsSummary,
  type StageEnd,
} from '../../machines/model/domain.ts';
import { formatDuration } from '../../machines/model/duration.ts';
import { taskText } from '../../machines/model/judge-testing.ts';
import type { AnyEvent, CommonEvent, JobEvent, StreamEvent } from '../../machines/protocol/events.ts';
import type { LogRow } from '../../machines/protocol/row.ts';
import { evidenceText, isEvidenceEvent } from './evidence.ts';
import { holdEventText, isAboutHold } from './hold.ts';
import { isAboutJanitor, janitorEventText } from './janitor.ts';
import { isLeakEvent, leakEventText } from './leak.ts';
import { streamEventText } from './stream.ts';
import { isVoteOrStart, type VoteOrStart, voteText } from './vote.ts';

export function rowText(row: LogRow): string {
  const text = eventText({ ...row.data, type: row.type } as unknown as AnyEvent);
  if (row.outcome === 'late') return `${text} (too late, no effect)`;
  return row.outcome === 'ignored' ? `${text} (ignored, no effect)` : text;
}

function eventText(event: AnyEvent): string {
  switch (event.type) {
    case 'timer.fired':
      return timerText(event.timer);
    case 'machine.failed':
    case 'machine.quarantine-failed':
      return `internal error at ${event.event}: ${event.message}`;
    case 'daemon.crashed':
      return `the daemon crashed during ${event.during}: ${event.message}`;
    case 'alarm.raised':
      return 'the alarm was raised';
    case 'history.continued':
      return `continued after row ${event.from.version}, so that the rows before may leave the database`;
    case 'histories.archived':
      return `rows of ${event.histories.length === 1 ? '1 history' : `${event.histories.length} histories`} left for archive file ${event.file.number}`;
    case 'review.opened':
      return `review of ${changeText(event.patchset)} opened for ${count(event.jobs.length, 'job')}: ${event.jobs.map((job) => job.name).join(', ')}`;
    case 'change.looked-up':
      return resolvedText(event.change);
    case 'change.lookup-failed':
      return `the change could not be read from Gerrit${reasonSuffix(failureText(event.failure))}`;
    case 'vote.cast':
      return `${event.vote.account} voted ${votesText({ [event.vote.label]: event.vote.value })}`;
    case 'patchset.merged':
      return event.trees.map((tree) => `merged onto ${treeText(tree)}`).join('; ');
    case 'patchset.conflicted':
      return `change ${event.change} does not merge into ${event.branch} of ${event.project}${reasonSuffix(event.files.join(', '))}`;
    case 'patchset.merge-failed':
      return `the patchset could not be merged${reasonSuffix(failureText(event.failure))}`;
    case 'job.reported':
      return `${event.report.name} reported ${event.report.verdict}${reasonSuffix(event.report.reason)}`;
    case 'review.posted':
      return `${event.found ? 'the review was already on the change' : 'the review was posted'}${withoutVote(event.why)}`;
    case 'vote.rejected':
      return `Gerrit refused the vote${reasonSuffix(failureText(event.failure))}`;
    case 'review.post-failed':
      return `the review could not be posted${reasonSuffix(failureText(event.failure))}`;
    case 'votes.read':
      return `votes on the change: ${votesText(event.votes)}`;
    case 'mail.sent':
      return 'the mail was sent';
    case 'mail.send-failed':
      return `the mail was not sent${reasonSuffix(failureText(event.failure))}`;
    case 'votes.read-failed':
      return `votes could not be read${reasonSuffix(failureText(event.failure))}`;
    case 'review.cancelled':
      return `review cancelled${reasonSuffix(event.reason)}`;
    case 'review.superseded':
      return `review superseded by ${event.by}`;
    default:
      if (isAboutHold(event)) return holdEventText(event);
      if (isAboutJanitor(event)) return janitorEventText(event);
      return isStreamEvent(event) ? streamEventText(event) : otherEventText(event);
  }
}

/** Only the history `stream` has these two prefixes. */
function isStreamEvent(event: AnyEvent): event is Exclude<StreamEvent, CommonEvent> {
  return event.type.startsWith('stream.') || event.type.startsWith('catchup.');
}

function otherEventText(event: EvidenceEvent | LeakEvent | VoteOrStart | JobOnly): string {
  if (isEvidenceEvent(event)) return evidenceText(event);
  if (isLeakEvent(event)) return leakEventText(event);
  return isVoteOrStart(event) ? voteText(event) : jobEventText(event);
}

type EvidenceEvent = Parameters<typeof evidenceText>[0];
type LeakEvent = Parameters<typeof leakEventText>[0];
type AboutHold = Parameters<typeof holdEventText>[0];
type JobOnly = Exclude<JobEvent, CommonEvent | EvidenceEvent | LeakEvent | AboutHold>;

function jobEventText(event: JobOnly): string {
  switch (event.type) {
    case 'job.ready':
      return event.trees.length === 0
        ? 'ready: tests the patchset as it was uploaded'
        : `ready: tests ${event.trees.map(treeText).join('; ')}`;
    case 'job.rejected':
      return `not run: ${event.verdict}${reasonSuffix(event.reason)}`;
    case 'job.accepted':
      return `accepted ${changeText(event.patchset)} at ${event.patchset.revision.slice(0, 10)}`;
    case 'server.active':
      return event.adopted
        ? `server ${event.server.name} was found: it had been created before`
        : `server ${event.server.name} was created`;
    case 'patchset.fetched':
      return `the patchset was fetched, at ${event.revision.slice(0, 10)}`;
    case 'stage.started':
      return `${event.stage} ${event.adopted ? 'was found running' : 'started'}, pid ${event.pid}`;
    case 'stage.exited':
      return `${event.stage} ${stageEndText(event.end, event.lastLine ?? '')}`;
    case 'stage.lost':
      return `${event.stage} was lost${reasonSuffix(event.why)}`;
    case 'stage.stopped':
      return `${event.stage} was stopped`;
    case 'slot.granted':
    case 'verdict.accepted':
    case 'evidence.discarded':
      return PLAIN[event.type];
    case 'results.read':
      return `results: ${resultsText(event.results)}`;
    case 'results.read-failed':
      return `results cannot be read${reasonSuffix(event.why)}`;
    case 'server.deleted':
      return event.deleted === 0
        ? 'no server of this job is left'
        : `${count(event.deleted, 'server')} deleted`;
    case 'job.promoted':
      return `moved to the head of the queue by ${event.by}${reasonSuffix(event.why)}`;
    case 'job.cancelled':
      return `cancelled${reasonSuffix(event.reason)}`;
    case 'job.superseded':
      return `superseded by ${event.by}`;
    case 'server.create-failed':
    case 'patchset.fetch-failed':
    case 'stage.start-failed':
    case 'stage.stop-failed':
    case 'evidence.collect-failed':
    case 'evidence.publish-failed':
    case 'server.delete-failed':
    case 'evidence.discard-failed':
      return failureEventText(event);
    default:
      return assertNever(event);
  }
}

const PLAIN = {
  'slot.granted': 'got a slot',
  'verdict.accepted': 'the review accepted the verdict',
  'evidence.discarded': 'the evidence on this host was deleted',
} as const;

const FAILURES = {
  'server.create-failed': 'the server could not be created',
  'patchset.fetch-failed': 'the patchset could not be fetched',
  'stage.start-failed': 'could not be started',
  'stage.stop-failed': 'could not be stopped',
  'evidence.collect-failed': 'evidence could not be collected',
  'evidence.publish-failed': 'evidence could not be published',
  'server.delete-failed': 'the server could not be deleted',
  'evidence.discard-failed': 'the evidence on this host could not be deleted',
} as const;

function failureEventText(event: {
  readonly type: keyof typeof FAILURES;
  readonly stage?: string;
  readonly failure: Failure;
}): string {
  const what = event.stage === undefined ? '' : `${event.stage} `;
  return `${what}${FAILURES[event.type]}${reasonSuffix(failureText(event.failure))}`;
}

export function failureText(failure: Failure): string {
  const next = failure.hint === '' ? '' : `; next: ${failure.hint}`;
  return `${failure.operation} (${failure.target}): ${failure.message}${next}`;
}

/** Timers are named `deadline:STATE:N` and `retry:STATE:N`, those of a hold also `expiry:STATE`. */
function timerText(timer: string): string {
  const [kind, state = timer] = timer.split(':');
  if (kind === 'retry') return `retrying ${state}`;
  if (kind === 'expiry') return 'the time of the hold is over';
  return deadlineText(timer);
}

/** The failed task says more than the exit code of ansible-playbook and its last line. */
function stageEndText(end: StageEnd, lastLine: string): string {
  return (end.how === 'exited' ? taskText(end) : null) ?? `${endText(end)}${reasonSuffix(lastLine)}`;
}

export function endText(end: StageEnd): string {
  switch (end.how) {
    case 'exited':
      return end.code === 0 ? 'succeeded' : `exited with code ${end.code}`;
    case 'killed':
      return `was killed by signal ${end.signal}`;
    case 'timedOut':
      return 'exceeded its timeout and was stopped';
    case 'stopped':
      return 'was stopped';
    default:
      return assertNever(end);
  }
}

function resultsText(results: ResultsSummary): string {
  const failures = results.failures.length === 0 ? '' : `: ${results.failures.join('; ')}`;
  return `${results.passed} passed, ${results.failed} failed, ${results.skipped} skipped${failures}`;
}

function resolvedText(change: ResolvedChange): string {
  const needs = change.dependencies.map((needed) => `${needed.change},${needed.patchset}`).join(', ');
  const hidden = [change.wip ? 'work in progress' : '', change.private ? 'private' : ''].filter(Boolean);
  const facts = [
    `patchset ${change.current} is current`,
    ...hidden,
    needs === '' ? '' : `depends on ${needs}`,
  ];
  return `the change is ${change.status}: ${facts.filter(Boolean).join(', ')}${reasonSuffix(change.trouble ?? '')}`;
}

function treeText(tree: MergedTree): string {
  return `${tree.revision.slice(0, 10)} of ${tree.project} (${tree.branch} at ${tree.base.slice(0, 10)})`;
}

export function votesText(votes: Readonly<Record<string, number>>): string {
  const texts = Object.entries(votes).map(([label, value]) => `${label}${value > 0 ? '+' : ''}${value}`);
  return texts.length === 0 ? 'none of ours' : texts.join(', ');
}

function changeText(patchset: Patchset): string {
  return `${patchset.change},${patchset.patchset} of ${patchset.project} ${patchset.branch}`;
}

export function count(number: number, noun: string): string {
  return `${number} ${noun}${number === 1 ? '' : 's'}`;
}

function withoutVote(why: string): string {
  return why === '' ? '' : `, without its vote: ${why}`;
}

export function reasonSuffix(why: string): string {
  return why === '' ? '' : `: ${why}`;
}

/** The remaining time of a timer. */
export function timeLeft(dueAt: number, now: number): string {
  return dueAt <= now ? 'now' : `in ${formatDuration(dueAt - now)}`;
}
