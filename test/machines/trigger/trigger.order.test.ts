/** The order of the rules, events that wait for a vote, and properties of all decisions. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import type { JobRules } from '../../../src/machines/trigger/rules/job-matcher.ts';
import { RULES } from '../../../src/machines/trigger/rules/rule-names.ts';
import type { SupersedeMode } from '../../../src/machines/trigger/rules/supersede.ts';
import { decide, explain, type TriggerRules } from '../../../src/machines/trigger/trigger.ts';
import type { OpenReview, TriggerFacts } from '../../../src/machines/trigger/trigger-facts.ts';
import { CODE_POINT } from '../../fixtures/code-point.ts';
import { jobRules, triggerRules } from '../rule-facts.ts';
import {
  alice,
  comment,
  created,
  factsOf,
  on,
  ready,
  restored,
  ruleOf,
  VOTE,
  verified,
  zuul,
} from './trigger-facts.ts';

describe('the order of the rules', () => {
  const both = (event: GerritEvent, job: Partial<JobRules>, open: readonly OpenReview[] = []) =>
    ruleOf(event, job, {}, open);
  const same = { id: 'r', patchset: 3, branch: 'master', jobs: ['acme-dsvm'] };

  test('is own account, project and branch, type of event, topic and people, newer patchset, wip and private, running', () => {
    const ours = { ...alice, username: 'acme-ci' };
    const none = { projects: [], branches: [], topics: ['x'], uploaders: { include: ['bob'], exclude: [] } };
    expect(both(created({ by: ours }), none)).toBe('own-account');
    expect(both(created({ by: zuul }), none)).toBe('project');
    expect(both(created({ by: zuul }), { ...none, projects: ['*'] })).toBe('branch');
    expect(both(created({ by: zuul }), { ...none, projects: ['*'], branches: ['*'] })).toBe('ci-account');
    expect(both(created(), { ...none, projects: ['*'], branches: ['*'], triggers: [] })).toBe('trigger');
    expect(both(created(), { ...none, projects: ['*'], branches: ['*'] })).toBe('topic');
    expect(both(created({ wip: true }), { uploaders: { include: ['bob'], exclude: [] } })).toBe('uploader');
    expect(both(created({ wip: true, private: true }), {}, [{ ...same, patchset: 4 }])).toBe(
      'newer-patchset',
    );
    expect(both(created({ wip: true, private: true }), {}, [same])).toBe('wip');
    expect(both(created({ private: true }), {}, [same])).toBe('private');
    expect(both(created(), {}, [same])).toBe('running');
  });

  test('a comment with a recheck and a vote starts each job by its own trigger', () => {
    const event = comment('', {
      comment: 'Patch Set 3: Workflow+1\n\nrecheck',
      approvals: [{ label: 'Workflow', value: 1, oldValue: 0 }],
    });
    const votes = [{ ...VOTE, label: 'Workflow', by: ['*'] }];
    const jobs = [
      jobRules({ name: 'a', triggers: ['vote'], votes }),
      jobRules({ name: 'b', votes }),
      jobRules({ name: 'c', triggers: ['patchset'], votes }),
    ];
    const { decisions, jobs: found } = explain(event, triggerRules({ jobs }), factsOf());
    expect(found.map(({ job, rule }) => `${job} ${rule}`)).toEqual(['a vote', 'b recheck', 'c trigger']);
    expect(decisions).toMatchObject([{ do: 'start', jobs: ['a', 'b'], rule: 'vote', kind: 'vote' }]);
  });

  test('a vote starts the job even if the same comment requests a run that `commenters` rejects', () => {
    const event = comment('', {
      comment: 'Patch Set 3: Workflow+1\n\nrecheck',
      approvals: [{ label: 'Workflow', value: 1, oldValue: 0 }],
    });
    const commenters = { include: ['bob'], exclude: [] };
    const votes = [{ ...VOTE, label: 'Workflow', by: ['*'] }];
    expect(both(event, { commenters, votes })).toBe('+vote');
    expect(both(event, { commenters, votes, triggers: ['recheck'] })).toBe('commenter');
  });

  test('the reason names the job that passes the most rules', () => {
    const jobs = [
      jobRules({ name: 'a', projects: [] }),
      jobRules({ name: 'b', topics: ['x'] }),
      jobRules({ name: 'c', branches: [] }),
    ];
    expect(decide(created(), triggerRules({ jobs }), factsOf())).toEqual([
      { do: 'ignore', rule: 'topic', why: 'job b: the change has no topic' },
    ]);
  });
});

describe('a patchset without a code change', () => {
  const older = { id: 'r', patchset: 2, branch: 'master', jobs: ['acme-dsvm'] };

  test('does not supersede the run of the previous one', () => {
    const rules = triggerRules({ jobs: [jobRules({ kinds: { include: [], exclude: ['NO_CODE_CHANGE'] } })] });
    expect(decide(created({ kind: 'NO_CODE_CHANGE' }), rules, factsOf([older]))).toMatchObject([
      { do: 'ignore', rule: 'kind' },
    ]);
    expect(decide(created(), rules, factsOf([older]))).toMatchObject([
      { do: 'supersede', rule: 'superseded' },
      { do: 'start' },
    ]);
  });

  describe('that another job tests', () => {
    const kinds = { include: [], exclude: ['NO_CODE_CHANGE'] };
    const skips = jobRules({ name: 'skips', kinds });
    const rulesWith = (job: JobRules, supersede: SupersedeMode = 'running') =>
      triggerRules({ jobs: [job, jobRules({ name: 'tests' })], supersede });
    const event = created({ kind: 'NO_CODE_CHANGE' });
    const both = { ...older, jobs: ['skips', 'tests'] };
    const startOf = (rules: TriggerRules, facts: TriggerFacts) =>
      decide(event, rules, facts).flatMap((one) => (one.do === 'start' ? one.jobs : []));

    test('starts the job whose run it ends', () => {
      expect(startOf(rulesWith(skips), factsOf([both]))).toEqual(['skips', 'tests']);
    });

    test.each<[string, JobRules, readonly OpenReview[], SupersedeMode]>([
      ['has a verdict on the previous one', skips, [{ ...older, jobs: ['tests'] }], 'running'],
      ['continues on the previous one', skips, [both], 'never'],
      [
        'another rule excludes too',
        { ...skips, uploaders: { include: ['bob'], exclude: [] } },
        [both],
        'running',
      ],
    ])('does not start a job that %s', (_what, job, open, supersede) => {
      expect(startOf(rulesWith(job, supersede), factsOf(open))).toEqual(['tests']);
    });

    test('starts the job whose start on the previous one is delayed', () => {
      const rules = rulesWith(skips);
      const [start] = decide(created(on({ patchset: 2 })), rules, factsOf());
      if (start?.do !== 'start') throw new Error('nothing starts');
      const waiting = { start, rule: 'limit-change', why: '', since: 0 } as const;
      expect(startOf(rules, factsOf([], { waiting }))).toEqual(['skips', 'tests']);
    });
  });
});

describe('a required vote', () => {
  const requiredVote = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 1_000 };
  const rules = triggerRules({ jobs: [jobRules({ requiredVote })] });
  const waiting = { id: 'r', patchset: 3, branch: 'master', jobs: ['acme-dsvm'], requiredVote };

  test.each([
    ['a new patchset', created(), requiredVote],
    ['a restored change', restored, requiredVote],
    ['a change that is ready', ready(), requiredVote],
    ['a recheck', comment('recheck'), null],
    ['a run', comment('run-acme-ci'), null],
  ])('%s waits for %j', (_what, event, expected) => {
    expect(decide(event, rules, factsOf())).toMatchObject([{ do: 'start', requiredVote: expected }]);
  });

  test('a job that the vote starts does not wait for it', () => {
    const both = triggerRules({ jobs: [jobRules({ requiredVote, votes: [VOTE] })] });
    expect(decide(verified(1), both, factsOf())).toMatchObject([{ do: 'start', requiredVote: null }]);
  });

  test('forwards each vote of that account on that label to the review, including negative ones', () => {
    const vote = { account: 'zuul', label: 'Verified', value: 1 };
    const forward = { do: 'forward', review: 'r', rule: 'require-vote' };
    expect(decide(verified(1), rules, factsOf([waiting]))).toMatchObject([
      { ...forward, vote },
      { do: 'ignore' },
    ]);
    expect(decide(verified(-1), rules, factsOf([waiting]))).toMatchObject([
      { ...forward, vote: { ...vote, value: -1 } },
      { do: 'ignore' },
    ]);
  });

  test.each<[string, GerritEvent, OpenReview]>([
    ['of another account', verified(1, 0, { by: alice }), waiting],
    ['on another label', verified(1), { ...waiting, requiredVote: { ...requiredVote, label: 'Workflow' } }],
    ['on another patchset', verified(1), { ...waiting, patchset: 4 }],
    ['that existed before', verified(1, null), waiting],
    ['for which no review waits', verified(1), { ...waiting, requiredVote: null }],
  ])('forwards no vote %s', (_what, event, open) => {
    expect(decide(event, rules, factsOf([open])).map((decision) => decision.do)).toEqual(['ignore']);
  });
});

describe('for any input', () => {
  const text = fc.oneof(
    fc.string({ unit: CODE_POINT }),
    fc.constantFrom('recheck', 'zuul', 'acme-ci', '*', 'docs', '(', 'X CI'),
  );
  const texts = fc.array(text, { maxLength: 3 });
  const account = fc.record({ username: text, name: text, email: text });
  const people = fc.record({ include: texts, exclude: texts });
  const job = fc.record({
    projects: texts,
    branches: texts,
    topics: texts,
    hashtags: texts,
    kinds: people,
    uploaders: people,
    authors: people,
    commenters: people,
    comments: texts,
  });
  const event = fc.record({
    comment: text,
    topic: text,
    project: text,
    branch: text,
    by: account,
    author: account,
    tag: text,
    hashtags: texts,
    at: fc.nat(),
  });

  test('every decision has a known rule and a reason, and nothing throws', () => {
    fc.assert(
      fc.property(job, event, texts, texts, (rules, given, ciAccounts, names) => {
        const { comment: written, by, author, tag, hashtags, at, ...target } = given;
        const all = triggerRules({
          jobs: [jobRules({ ...rules, votes: [{ ...VOTE, by: names }] })],
          ciAccounts,
          name: names[0] ?? null,
        });
        const changes = { ...on(target), by, author, hashtags, at };
        for (const sent of [created(changes), comment(written, { ...changes, tag }), ready(changes)]) {
          for (const { rule, why } of decide(
            sent,
            all,
            factsOf([{ id: 'r', patchset: 2, branch: 'master', jobs: ['acme-dsvm'] }]),
          )) {
            expect(Object.keys(RULES)).toContain(rule);
            expect(why).not.toBe('');
          }
        }
      }),
    );
  });

  test('the same event gives the same decision', () => {
    fc.assert(
      fc.property(job, event, (rules, given) => {
        const all = triggerRules({ jobs: [jobRules(rules)] });
        const sent = comment(given.comment, { by: given.by });
        expect(decide(sent, all, factsOf())).toEqual(decide(sent, all, factsOf()));
      }),
    );
  });

  test('hostile patterns and texts, which take years with backtracking, are decided', () => {
    const star = `${'*a'.repeat(500)}b`;
    const long = 'a'.repeat(60_000);
    const slow = jobRules({
      projects: [star, '*'],
      topics: [star],
      comments: ['(a+)+$', '(a|a)*b', '(.*a){40}$'],
      commenters: { include: [star], exclude: [star] },
    });
    const event = comment(long, { ...on({ project: long, topic: long }), by: { ...alice, name: long } });
    expect(explain(event, triggerRules({ jobs: [slow] }), factsOf()).jobs).toMatchObject([{ rule: 'topic' }]);
  });
});
