/** Each rule, accepting and rejecting, by the name in its decision. */
import { describe, expect, test } from 'vitest';
import type { GerritEvent } from '../../../src/machines/model/gerrit-event.ts';
import type { JobRules } from '../../../src/machines/trigger/rules/job-matcher.ts';
import type { TriggerRules } from '../../../src/machines/trigger/trigger.ts';
import {
  alice,
  comment,
  created,
  on,
  ready,
  restored,
  ruleOf,
  VOTE,
  verified,
  zuul,
} from './trigger-facts.ts';

describe('a rule of a job', () => {
  test.each<[string, GerritEvent, Partial<JobRules>, string]>([
    ['project, a pattern', created(), { projects: ['openstack/cin*'] }, '+patchset'],
    [
      'project, one of several',
      created(),
      { projects: ['openstack/os-brick', 'openstack/cinder'] },
      '+patchset',
    ],
    ['project, another', created(), { projects: ['openstack/nova'] }, 'project'],
    ['project, none at all', created(), { projects: [] }, 'project'],
    ['branch', created(on({ branch: 'stable/2026.1' })), { branches: ['master', 'stable/*'] }, '+patchset'],
    ['branch, another', created(on({ branch: 'feature/x' })), { branches: ['master', 'stable/*'] }, 'branch'],
    ['trigger patchset', created(), { triggers: ['patchset'] }, '+patchset'],
    ['trigger patchset, another', created(), { triggers: ['recheck', 'vote'] }, 'trigger'],
    ['trigger recheck', comment('recheck'), { triggers: ['recheck'] }, '+recheck'],
    ['trigger recheck, another', comment('recheck'), { triggers: ['patchset'] }, 'trigger'],
    ['trigger restored', restored, { triggers: ['restored'] }, '+restored'],
    ['trigger restored, another', restored, { triggers: ['patchset'] }, 'trigger'],
    ['trigger ready', ready(), { triggers: ['ready'] }, '+ready'],
    ['trigger ready, another', ready(), { triggers: ['patchset'] }, 'trigger'],
    ['trigger vote', verified(1), { triggers: ['vote'], votes: [VOTE] }, '+vote'],
    ['trigger vote, another', verified(1), { triggers: ['patchset'], votes: [VOTE] }, 'trigger'],
    ['trigger none', created(), { triggers: [] }, 'trigger'],
    ['topic', created(on({ topic: 'acme-retry' })), { topics: ['acme*'] }, '+patchset'],
    ['topic, another', created(on({ topic: 'docs' })), { topics: ['acme*'] }, 'topic'],
    ['topic, none', created(on({ topic: '' })), { topics: ['*acme'] }, 'topic'],
    ['hashtag', created(), { hashtags: ['back*'] }, '+patchset'],
    ['hashtag, another', created(), { hashtags: ['front*'] }, 'hashtag'],
    ['hashtag, none', created({ hashtags: undefined }), { hashtags: ['*'] }, 'hashtag'],
    [
      'kind never',
      created({ kind: 'TRIVIAL_REBASE' }),
      { kinds: { include: [], exclude: ['TRIVIAL_REBASE'] } },
      'kind',
    ],
    ['kind not never', created(), { kinds: { include: [], exclude: ['TRIVIAL_REBASE'] } }, '+patchset'],
    ['kind only', created(), { kinds: { include: ['REWORK'], exclude: [] } }, '+patchset'],
    [
      'kind not only',
      created({ kind: 'NO_CHANGE' }),
      { kinds: { include: ['REWORK'], exclude: [] } },
      'kind',
    ],
    [
      'kind, requested by a comment',
      comment('recheck'),
      { kinds: { include: ['NO_CHANGE'], exclude: [] } },
      '+recheck',
    ],
    ['uploader only', created(), { uploaders: { include: ['*@acme.example'], exclude: [] } }, '+patchset'],
    ['uploader not only', created(), { uploaders: { include: ['bob'], exclude: [] } }, 'uploader'],
    ['uploader never', created(), { uploaders: { include: [], exclude: ['alice'] } }, 'uploader'],
    [
      'uploader never, recheck',
      comment('recheck'),
      { uploaders: { include: [], exclude: ['alice'] } },
      'uploader',
    ],
    ['author only', created(), { authors: { include: ['carol'], exclude: [] } }, '+patchset'],
    ['author not only', created(), { authors: { include: ['alice'], exclude: [] } }, 'author'],
    ['author never', created(), { authors: { include: [], exclude: ['*@home.example'] } }, 'author'],
    ['commenter only', comment('recheck'), { commenters: { include: ['alice'], exclude: [] } }, '+recheck'],
    ['commenter never', comment('recheck'), { commenters: { include: [], exclude: ['alice'] } }, 'commenter'],
    ['commenter, no comment', created(), { commenters: { include: ['bob'], exclude: [] } }, '+patchset'],
    [
      'commenter, a vote',
      verified(1),
      { commenters: { include: ['bob'], exclude: [] }, votes: [VOTE] },
      '+vote',
    ],
    ['comment', comment('check acme'), { comments: ['^check acme'] }, '+comment'],
    ['comment, another', comment('check nova'), { comments: ['^check acme'] }, 'comment'],
    ['vote', verified(1), { votes: [VOTE] }, '+vote'],
    ['vote, none configured', verified(1), {}, 'ci-account'],
    ['vote, another value', verified(-1), { votes: [VOTE] }, 'ci-account'],
    ['vote that existed before', verified(1, null), { votes: [VOTE] }, 'ci-account'],
    ['vote with the same value as before', verified(1, 1), { votes: [VOTE] }, 'ci-account'],
    ['vote by another account', verified(1, 0, { by: alice }), { votes: [VOTE] }, 'comment'],
    ['vote from', verified(1, -1), { votes: [{ ...VOTE, from: [-1] }] }, '+vote'],
    ['vote not from', verified(1, 0), { votes: [{ ...VOTE, from: [-1] }] }, 'ci-account'],
    ['vote at least', verified(2), { votes: [{ ...VOTE, value: null, min: 1 }] }, '+vote'],
  ])('%s', (_what, event, job, expected) => {
    expect(ruleOf(event, job)).toBe(expected);
  });
});

describe('a rule of the deployment', () => {
  test.each<[string, GerritEvent, Partial<TriggerRules>, string]>([
    ['own account, patchset', created({ by: { ...alice, username: 'acme-ci' } }), {}, 'own-account'],
    [
      'own account, recheck',
      comment('recheck', { by: { ...alice, username: 'acme-ci' } }),
      {},
      'own-account',
    ],
    [
      'own account listed as a person',
      comment('recheck', { by: { ...alice, username: 'acme-ci' } }),
      { people: ['*'] },
      'own-account',
    ],
    ['CI by its name', comment('recheck', { by: { ...alice, name: 'Pure Storage CI' } }), {}, 'ci-account'],
    ['CI by its user name', comment('recheck', { by: zuul }), {}, 'ci-account'],
    ['CI by its tag', comment('recheck', { tag: 'autogenerated:x' }), {}, 'ci-account'],
    ['CI by the list', comment('recheck'), { ciAccounts: ['alice'] }, 'ci-account'],
    ['CI that is a person', comment('recheck', { by: zuul }), { people: ['zuul'] }, '+recheck'],
    ['CI, patchset', created({ by: zuul }), {}, 'ci-account'],
    ['recheck', comment('recheck'), {}, '+recheck'],
    ['recheck that is disabled', comment('recheck'), { recheck: false }, 'comment'],
    ['run by user name', comment('run-acme-ci'), { recheck: false }, '+run-ci'],
    ['run by display name', comment('run-Acme Storage CI'), { name: 'Acme Storage CI' }, '+run-ci'],
    ['run for another', comment('run-Other CI'), {}, 'comment'],
    ['wip', created({ wip: true }), {}, 'wip'],
    ['wip, configured', created({ wip: true }), { wip: true }, '+patchset'],
    ['wip, recheck', comment('recheck', { wip: true }), {}, 'wip'],
    ['private', created({ private: true }), {}, 'private'],
    ['private, configured', created({ private: true }), { private: true }, '+patchset'],
    ['ready but private', ready({ private: true }), {}, 'private'],
  ])('%s', (_what, event, rules, expected) => {
    expect(ruleOf(event, {}, rules)).toBe(expected);
  });
});
