/** Sample events of one change, for the tests of the trigger; by default they are caused by a person. */
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import type { JobRules } from '../../../src/machines/trigger/rules/job-matcher.ts';
import { decide, type TriggerRules } from '../../../src/machines/trigger/trigger.ts';
import type { OpenReview, TriggerFacts } from '../../../src/machines/trigger/trigger-facts.ts';
import { PATCHSET } from '../facts.ts';
import { jobRules, triggerRules } from '../rule-facts.ts';

export const alice = { username: 'alice', name: 'Alice', email: 'alice@acme.example' };
export const zuul = { username: 'zuul', name: 'Zuul', email: '' };
const base = {
  at: 1_767_323_045_000,
  patchset: PATCHSET,
  wip: false,
  private: false,
  by: alice,
  uploader: alice,
  author: { username: '', name: 'Carol', email: 'carol@home.example' },
  hashtags: ['acme', 'backport'],
};
export const created = (changes: object = {}): GerritEvent => ({
  ...base,
  type: 'patchset-created',
  kind: 'REWORK',
  ...changes,
});
export const comment = (text: string, changes: object = {}): GerritEvent => ({
  ...base,
  type: 'comment-added',
  comment: `Patch Set 3:\n\n${text}`,
  approvals: [],
  ...changes,
});
export const ready = (changes: object = {}): GerritEvent => ({ ...base, type: 'change-ready', ...changes });
export const restored: GerritEvent = { ...base, type: 'change-restored' };
export const verified = (value: number, oldValue: number | null = 0, changes: object = {}) =>
  comment('', {
    by: zuul,
    comment: `Patch Set 3:${oldValue === null ? '' : ` Verified+${value}`}\n\nBuild succeeded (check pipeline).`,
    approvals: [
      { label: 'Verified', value, oldValue },
      { label: 'Code-Review', value: 0, oldValue: null },
    ],
    ...changes,
  });
export const on = (patchset: object) => ({ patchset: { ...PATCHSET, ...patchset } });
export const VOTE = { label: 'Verified', value: 1, min: null, by: ['zuul'], from: [] };

/** No other activity, with these reviews of ours open on the change. */
export function factsOf(open: readonly OpenReview[] = [], changes: Partial<TriggerFacts> = {}): TriggerFacts {
  return {
    now: base.at,
    number: 7,
    open,
    waiting: null,
    waitingChanges: 0,
    openJobs: 0,
    queueLength: 100,
    starts: () => [],
    startResult: () => 'nothing',
    novelty: { is: 'untracked' },
    ...changes,
  };
}

/** The rule of the last decision, with + for a start. */
export function ruleOf(
  event: GerritEvent,
  job: Partial<JobRules> = {},
  rules: Partial<TriggerRules> = {},
  open: readonly OpenReview[] = [],
) {
  const decision = decide(event, triggerRules({ jobs: [jobRules(job)], ...rules }), factsOf(open)).at(-1);
  return `${decision?.do === 'start' ? '+' : ''}${decision?.rule}`;
}
