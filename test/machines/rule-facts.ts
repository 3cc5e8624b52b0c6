/**
 * Sample rules for the tests of the trigger: they accept all patchsets and rechecks of one project, with a test's
 * changes.
 */

import { TRIGGER_KINDS } from '../../src/machines/model/domain.ts';
import { ALL_ACCOUNTS } from '../../src/machines/trigger/rules/account.ts';
import type { JobRules } from '../../src/machines/trigger/rules/job-matcher.ts';
import type { TriggerRules } from '../../src/machines/trigger/trigger.ts';

export function jobRules(changes: Partial<JobRules> = {}): JobRules {
  return {
    name: 'acme-dsvm',
    projects: ['openstack/cinder'],
    branches: ['*'],
    triggers: TRIGGER_KINDS,
    topics: [],
    hashtags: [],
    kinds: { include: [], exclude: [] },
    uploaders: ALL_ACCOUNTS,
    authors: ALL_ACCOUNTS,
    commenters: ALL_ACCOUNTS,
    comments: [],
    votes: [],
    requiredVote: null,
    ...changes,
  };
}

export function triggerRules(changes: Partial<TriggerRules> = {}): TriggerRules {
  return {
    account: 'acme-ci',
    name: null,
    recheck: true,
    ciAccounts: [],
    people: [],
    wip: false,
    private: false,
    supersede: 'running',
    limits: { change: 20, author: 200, project: 400, total: 1_000 },
    jobs: [jobRules()],
    ...changes,
  };
}
