/** `triggers`: the trigger settings that all jobs share. */
import { z } from 'zod';
import type { RequiredVote } from '../../machines/model/domain.ts';
import { SUPERSEDE_MODES } from '../../machines/trigger/rules/supersede.ts';
import type { TriggerRules } from '../../machines/trigger/trigger.ts';
import type { Config } from '../config.ts';
import { choice, duration, flag, integer, optionalText, texts } from '../fields/fields.ts';
import { namePattern, requiredVote } from '../fields/validators.ts';

export const VOTE_KIND = 'account, label and value';

export const triggers = z.strictObject({
  recheck: flag({
    default: true,
    about:
      'a comment that begins with recheck starts jobs; false: only run-NAME does, and what jobs list under comments',
  }),
  supersede: choice({
    of: SUPERSEDE_MODES,
    default: 'running',
    about:
      'which jobs a newer patchset cancels: running ones too, only queued ones, or never any. A job that continues is reported without a vote',
  }),
  includeWip: flag({ default: false, about: 'also test changes that are work in progress' }),
  includePrivate: flag({
    default: false,
    about: 'also test private changes, where our account may see them',
  }),
  requireVote: optionalText({
    kind: VOTE_KIND,
    check: requiredVote,
    about:
      'such as zuul Verified+1: jobs wait for this vote unless a comment requests them; a vote of the opposite sign cancels them without a comment',
  }),
  requireVoteTimeout: duration({ default: '4h', about: 'after this they start without it' }),
  ciAccounts: texts({
    kind: 'list of patterns',
    check: namePattern,
    about:
      "accounts that start nothing, except by a vote listed under votes; accounts that look like a CI's are always included. Patterns for user name, display name or e-mail",
  }),
  humanAccounts: texts({
    kind: 'list of patterns',
    check: namePattern,
    about: "accounts that look like a CI's (such as zuul, jenkins, x-ci, or X CI) but are not",
  }),
  maxOpenJobs: integer({
    default: 500,
    min: 1,
    max: 100_000,
    about: 'queued and running jobs in total; further starts wait',
  }),
  rateLimits: z
    .strictObject({
      change: limit(
        20,
        'starts of one change in an hour; further ones wait, and an alarm is raised at most once an hour',
      ),
      author: limit(200, 'starts by one account in an hour'),
      project: limit(400, 'starts of one project in an hour'),
      total: limit(1000, 'starts in an hour'),
    })
    .prefault({}),
});

type TriggersFile = z.output<typeof triggers>;

export function buildTriggers(
  file: TriggersFile,
  { user, name }: { readonly user: string; readonly name: string | null },
): Config['triggers'] {
  return {
    account: user,
    name,
    recheck: file.recheck,
    supersede: file.supersede,
    ciAccounts: file.ciAccounts,
    people: file.humanAccounts,
    wip: file.includeWip,
    private: file.includePrivate,
    limits: file.rateLimits,
  };
}

/** The shared rules together with those of every job. */
export function triggerRules(config: Config): TriggerRules {
  return { ...config.triggers, jobs: config.jobs.map(({ rules }) => rules) };
}

/** @param vote `zuul Verified+1`, already checked; or null */
export function buildRequiredVote(vote: string | null, timeoutMs: number): RequiredVote | null {
  const [, account, label, value] = /^(\S+) (.+?)([+-]\d+)$/.exec(vote ?? '') ?? [];
  if (account === undefined || label === undefined) return null;
  return { account, label, value: Number(value), timeoutMs };
}

function limit(fallback: number, about: string) {
  return integer({ default: fallback, min: 0, max: 1_000_000, about });
}
