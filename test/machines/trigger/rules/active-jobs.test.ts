/** Which jobs of the configuration in force apply to a change, for the vote. */
import { describe, expect, test } from 'vitest';
import type { CurrentChange } from '../../../../src/machines/model/gerrit-event.ts';
import { activeJobs } from '../../../../src/machines/trigger/rules/active-jobs.ts';
import type { JobRules } from '../../../../src/machines/trigger/rules/job-matcher.ts';
import { jobSpec, PATCHSET, type SpecChanges } from '../../facts.ts';
import { jobRules, triggerRules } from '../../rule-facts.ts';

const ALICE = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
const CHANGE: CurrentChange = {
  patchset: PATCHSET,
  status: 'open',
  kind: 'TRIVIAL_REBASE',
  wip: true,
  private: false,
  uploader: ALICE,
  author: ALICE,
  hashtags: [],
  files: ['cinder/volume/manager.py'],
  votes: [],
};

function applies(
  rules: Partial<JobRules>,
  spec: SpecChanges = {},
  change: Partial<CurrentChange> = {},
): boolean {
  const config = {
    rules: triggerRules({ jobs: [jobRules(rules)] }),
    specs: new Map([['acme-dsvm', jobSpec(spec)]]),
  };
  return activeJobs(config, { ...CHANGE, ...change })[0]?.startsUnasked ?? false;
}

describe('a job applies', () => {
  test('for any kind of patchset, and while the change is work in progress', () => {
    expect(applies({ kinds: { include: [], exclude: ['TRIVIAL_REBASE'] } })).toBe(true);
  });

  test.each<[string, Partial<JobRules>, SpecChanges, Partial<CurrentChange>]>([
    ['its project', { projects: ['openstack/nova'] }, {}, {}],
    ['its branch', { branches: ['stable/*'] }, {}, {}],
    ['its topic', { topics: ['drivers'] }, {}, {}],
    ['its hashtags', { hashtags: ['acme'] }, {}, {}],
    ['its files', {}, { files: { include: ['^doc/'], exclude: [] } }, {}],
    ['the uploader', { uploaders: { include: [], exclude: ['alice'] } }, {}, {}],
    ['the author', { authors: { include: [], exclude: ['alice'] } }, {}, {}],
    ['its trigger, which is only a comment,', { triggers: ['recheck'] }, {}, {}],
    ['an upload by our own account', {}, {}, { uploader: { ...ALICE, username: 'acme-ci' } }],
    ['an upload by another CI', {}, {}, { uploader: { ...ALICE, username: 'zuul', name: 'Zuul' } }],
  ])('unless %s prevents it', (_, rules, spec, change) => {
    expect(applies(rules, spec, change)).toBe(false);
  });

  test('if the change could not be read', () => {
    const specs = new Map([['acme-dsvm', jobSpec({ voting: false })]]);
    const rules = triggerRules({
      jobs: [jobRules({ triggers: ['recheck'] }), jobRules({ name: 'unknown' })],
    });
    expect(activeJobs({ rules, specs }, null)).toEqual([
      { name: 'acme-dsvm', voting: false, startsUnasked: true, kinds: { include: [], exclude: [] } },
    ]);
  });
});
