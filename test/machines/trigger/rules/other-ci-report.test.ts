/** Which events count as another CI's report on a project and branch of our jobs. */
import { expect, test } from 'vitest';
import type { GerritEvent } from '../../../../src/machines/model/gerrit-event.ts';
import { isReportOfOthers } from '../../../../src/machines/trigger/rules/other-ci-report.ts';
import { comment, created } from '../../../scenarios/gerrit-events.ts';
import { PATCHSET } from '../../facts.ts';
import { jobRules, triggerRules } from '../../rule-facts.ts';

const rules = triggerRules({
  account: 'acme-ci',
  ciAccounts: ['storage-tests'],
  people: ['the-ci'],
  jobs: [jobRules({ projects: [PATCHSET.project], branches: ['master', 'stable/*'] })],
});
const on = (change: object, who = 'zuul'): GerritEvent => {
  const event = comment('Build succeeded.', who);
  return 'patchset' in event ? { ...event, patchset: { ...event.patchset, ...change } } : event;
};

test.each([
  ['zuul on our project', on({}), true],
  ['an account that is listed as a CI', on({}, 'storage-tests'), true],
  ['a new stable branch', on({ branch: 'stable/2027.1' }), true],
  ['a person', on({}, 'alice'), false],
  ['a person whose name looks like a CI', on({}, 'the-ci'), false],
  ['ourselves', on({}, 'acme-ci'), false],
  ['another project', on({ project: 'openstack/else' }), false],
  ['another branch', on({ branch: 'feature/x' }), false],
  ['a patchset', created(), false],
] as const)('%s', (_, event, expected) => {
  expect(isReportOfOthers(event, rules)).toBe(expected);
});
