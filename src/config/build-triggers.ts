/** From the checked file to the rules that the trigger decides by. */

import { type HoldSpec, TRIGGER_KINDS } from '../machines/model/domain.ts';
import type { JobRules } from '../machines/trigger/rules/job-matcher.ts';
import type { TriggerRules } from '../machines/trigger/trigger.ts';
import type { Config } from './config.ts';
import type { ConfigFile } from './schema.ts';
import type { JobFile } from './sections/jobs.ts';

export function buildTriggers({ gerrit, triggers, prepare }: ConfigFile): Config['triggers'] {
  return {
    account: gerrit.user,
    name: gerrit.name,
    recheck: triggers.recheck,
    supersede: triggers.supersede,
    ciAccounts: triggers.ciAccounts,
    people: triggers.people,
    wip: prepare.wip,
    private: prepare.private,
    limits: triggers.limits,
  };
}

export function buildRules(name: string, job: JobFile, triggers: ConfigFile['triggers']): JobRules {
  return {
    name,
    projects: job.project,
    branches: job.branches,
    triggers: TRIGGER_KINDS.filter((kind) => job.triggers.includes(kind)),
    topics: job.topics,
    hashtags: job.hashtags,
    kinds: job.kinds,
    uploaders: job.uploaders,
    authors: job.authors,
    commenters: job.commenters,
    comments: job.comments,
    votes: job.votes,
    hold: buildHold(job.after ?? triggers.after, triggers.afterTimeout),
  };
}

/** The rules of a configuration, whole. */
export function triggerRules(config: Config): TriggerRules {
  return { ...config.triggers, jobs: config.jobs.map(({ rules }) => rules) };
}

/** `zuul Verified+1`; its form has been checked. */
function buildHold(after: string | null, timeoutMs: number): HoldSpec | null {
  const [, account, label, value] = /^(\S+) (.+?)([+-]\d+)$/.exec(after ?? '') ?? [];
  if (account === undefined || label === undefined) return null;
  return { account, label, value: Number(value), timeoutMs };
}
