/** Decisions on Gerrit's events: what starts, supersedes, cancels or is ignored, each with a reason. */
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import { decide as decideOn, type TriggerRules } from '../../../src/machines/trigger/trigger.ts';
import type { OpenReview } from '../../../src/machines/trigger/trigger-facts.ts';
import { PATCHSET } from '../facts.ts';
import { jobRules, triggerRules } from '../rule-facts.ts';
import { factsOf } from './trigger-facts.ts';

const decide = (event: GerritEvent, rules: TriggerRules, open: readonly OpenReview[]) =>
  decideOn(event, rules, factsOf(open));
const RULES: TriggerRules = triggerRules({
  jobs: [
    jobRules({ branches: ['master', 'stable/*'] }),
    jobRules({ name: 'acme-fc', branches: ['master'] }),
    jobRules({ name: 'other', projects: ['openstack/nova'], triggers: ['recheck'] }),
  ],
});
const by = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
const base = { at: 1_767_323_045_000, patchset: PATCHSET, wip: false, private: false, by };
const created = (changes = {}): GerritEvent => ({
  ...base,
  type: 'patchset-created',
  kind: 'REWORK',
  ...changes,
});
const comment = (text: string, changes = {}): GerritEvent => ({
  ...base,
  type: 'comment-added',
  comment: text,
  approvals: [],
  ...changes,
});
const older: OpenReview = { id: 'review-old', patchset: 2, branch: 'master', jobs: ['acme-dsvm', 'acme-fc'] };
const same: OpenReview = { id: 'review-same', patchset: 3, branch: 'master', jobs: ['acme-dsvm', 'acme-fc'] };
const newer: OpenReview = { id: 'review-new', patchset: 4, branch: 'master', jobs: ['acme-dsvm', 'acme-fc'] };
const actions = (event: GerritEvent, open: readonly OpenReview[] = []) =>
  decide(event, RULES, open).map((decision) => (decision.do === 'start' ? decision.jobs : decision.do));

describe('a new patchset', () => {
  test('starts the jobs of its project and branch, once', () => {
    expect(decide(created(), RULES, [])).toEqual([
      {
        do: 'start',
        patchset: PATCHSET,
        jobs: ['acme-dsvm', 'acme-fc'],
        trigger: 'openstack/cinder~912345,3:created',
        kind: 'patchset',
        by: 'alice',
        at: 1_767_323_045_000,
        requiredVote: null,
        rule: 'patchset',
        why: 'new patchset',
      },
    ]);
    const again = decide(created({ at: 1, kind: 'NO_CODE_CHANGE' }), RULES, []);
    expect(again).toMatchObject([{ trigger: 'openstack/cinder~912345,3:created' }]);
  });

  test('that is hidden is started when it is ready, and not again', () => {
    const ready: GerritEvent = { ...base, type: 'change-ready' };
    expect(actions({ ...ready, wip: true })).toEqual(['ignore']);
    expect(actions({ ...ready, private: true })).toEqual(['ignore']);
    const [start] = decide(ready, RULES, []);
    expect(start).toMatchObject({ do: 'start', why: 'the change is ready' });
    // The same cause as the upload: a patchset that was already tested is not tested again.
    expect(start).toMatchObject({ trigger: 'openstack/cinder~912345,3:created' });
  });

  test.each([
    ['stable/2026.1', [['acme-dsvm']]],
    ['feature/x', ['ignore']],
  ])('on %s', (branch, expected) => {
    expect(actions(created({ patchset: { ...PATCHSET, branch } }))).toEqual(expected);
  });

  test('starts only the jobs that a new patchset triggers', () => {
    const elsewhere = { ...PATCHSET, project: 'openstack/nova' };
    expect(decide(created({ patchset: elsewhere }), RULES, [])).toEqual([
      { do: 'ignore', rule: 'trigger', why: 'job other: it is started by recheck, not by patchset' },
    ]);
    expect(decide(comment('recheck', { patchset: elsewhere }), RULES, [])).toMatchObject([
      { do: 'start', jobs: ['other'] },
    ]);
  });

  test('of a project without jobs starts nothing', () => {
    const [decision] = decide(created({ patchset: { ...PATCHSET, project: 'x' } }), RULES, []);
    expect(decision).toEqual({ do: 'ignore', rule: 'project', why: 'no job tests x' });
  });

  test('supersedes all older ones', () => {
    const oldest = { id: 'review-oldest', patchset: 1, branch: 'master', jobs: ['acme-dsvm', 'acme-fc'] };
    expect(decide(created(), RULES, [older, oldest])).toMatchObject([
      { do: 'supersede', review: 'review-old', by: '912345,3' },
      { do: 'supersede', review: 'review-oldest', by: '912345,3' },
      { do: 'start' },
    ]);
  });

  test('that arrives after a newer one is ignored', () => {
    expect(decide(created(), RULES, [newer])).toEqual([
      { do: 'ignore', rule: 'newer-patchset', why: 'patchset 4 is being tested' },
    ]);
  });

  test.each([
    [{ wip: true }, 'work in progress'],
    [{ private: true }, 'private'],
  ])('with %j ends the older review and starts nothing', (changes, why) => {
    expect(decide(created(changes), RULES, [older])).toMatchObject([
      { do: 'supersede' },
      { do: 'ignore', why },
    ]);
  });
});

describe('recheck', () => {
  test('starts the patchset again, with a cause that does not depend on its time', () => {
    const first = decide(comment('recheck'), RULES, []);
    expect(first).toMatchObject([
      {
        do: 'start',
        trigger: 'openstack/cinder~912345,3:recheck:alice#7',
        why: 'recheck by alice',
      },
    ]);
    const second = decide(comment('recheck', { at: base.at + 1_000 }), RULES, []);
    expect(second).toEqual(first.map((start) => ({ ...start, at: base.at + 1_000 })));
  });

  test('names its author by any name that Gerrit sends', () => {
    const nameless = { username: '', name: 'Alice', email: '' };
    expect(decide(comment('recheck', { by: nameless }), RULES, [])).toMatchObject([
      { why: 'recheck by Alice' },
    ]);
  });

  test('does nothing while this patchset or a newer one is tested, and ends an older one', () => {
    expect(actions(comment('recheck'), [same])).toEqual(['ignore']);
    expect(actions(comment('recheck'), [newer])).toEqual(['ignore']);
    expect(actions(comment('recheck'), [older])).toEqual(['supersede', ['acme-dsvm', 'acme-fc']]);
  });

  test('is accepted while a review without open jobs has not posted yet', () => {
    expect(actions(comment('recheck'), [{ ...same, jobs: [] }])).toEqual([['acme-dsvm', 'acme-fc']]);
  });

  test('by our own account starts nothing', () => {
    const ours = { username: 'acme-ci', name: 'Acme CI', email: '' };
    expect(decide(comment('recheck', { by: ours }), RULES, [])).toEqual([
      { do: 'ignore', rule: 'own-account', why: 'our own comment' },
    ]);
  });
});

describe('a change that is closed', () => {
  test.each(['change-abandoned', 'change-merged', 'change-deleted'] as const)(
    '%s cancels its open reviews',
    (type) => {
      const event = { type, at: 1, project: 'openstack/cinder', change: 912345, by };
      expect(decide(event, RULES, [older, same])).toMatchObject([
        { do: 'cancel', review: 'review-old' },
        { do: 'cancel', review: 'review-same' },
      ]);
      expect(actions(event)).toEqual(['ignore']);
    },
  );
});

describe('a change that is restored', () => {
  const restored = (changes = {}): GerritEvent => ({ ...base, type: 'change-restored', ...changes });

  test('starts again', () => {
    expect(decide(restored(), RULES, [])).toMatchObject([
      { do: 'start', trigger: 'openstack/cinder~912345,3:restored#7' },
    ]);
    expect(actions(restored(), [same])).toEqual(['ignore']);
  });

  test.each([{ wip: true }, { private: true }])('starts nothing while it is %j', (changes) => {
    expect(actions(restored(changes))).toEqual(['ignore']);
  });
});

test('an event that starts nothing has a reason', () => {
  expect(decide({ type: 'dropped-output' }, RULES, [same])).toEqual([
    { do: 'ignore', rule: 'event', why: 'Gerrit lost events for us' },
  ]);
  expect(decide({ type: 'other', name: 'topic-changed' }, RULES, [])).toEqual([
    { do: 'ignore', rule: 'event', why: 'topic-changed starts nothing' },
  ]);
  expect(decide(comment('nice'), RULES, [])).toEqual([
    { do: 'ignore', rule: 'comment', why: 'a comment that requests nothing' },
  ]);
});
