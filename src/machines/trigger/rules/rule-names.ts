/** The names of the rules in decisions, and their descriptions. Scripts depend on the names, so they are stable. */

export const RULES = {
  patchset: 'a new patchset',
  ready: 'the change is no longer work in progress or private',
  restored: 'the change was restored',
  recheck: 'a comment begins with recheck',
  'run-ci': 'a comment begins with run- and the name of this CI',
  comment: "a comment that matched one of the job's `comments`, or that requested nothing",
  vote: 'a vote listed under `votes` was cast',
  event: 'events of this type start nothing',
  closed: 'the change is abandoned, merged or deleted',
  superseded: 'a newer patchset replaces an older one',
  moved: 'the change was moved to another branch',
  'own-account': 'events of our own account start nothing',
  'ci-account': 'events of other CIs start nothing, except votes',
  project: 'no pattern in `project` matches',
  branch: 'no pattern in `branches` matches',
  trigger: '`triggers` does not list this kind of event',
  topic: 'no pattern in `topics` matches',
  hashtag: 'no pattern in `hashtags` matches',
  kind: '`kinds` excludes this kind of patchset',
  uploader: '`uploaders` excludes the uploader',
  author: "`authors` excludes the commit's author",
  commenter: '`commenters` excludes the author of the comment',
  wip: 'the change is work in progress',
  private: 'the change is private',
  'newer-patchset': 'a newer patchset is being tested, or is the current one',
  running: 'this patchset is being tested',
  seen: 'the event was already handled, or the change has to be looked up first',
  started: 'this trigger has already started these jobs',
  files: '`files` excludes what the patchset changes',
  'require-vote': 'the jobs wait for the vote that `requireVote` names',
  'limit-change': 'the hourly limit on starts for this change is reached',
  'limit-author': 'the hourly limit on starts by one account is reached',
  'limit-project': 'the hourly limit on starts for this project is reached',
  'limit-total': 'the hourly limit on all starts is reached',
  'queue-full': 'as many jobs are open as `triggers.maxOpenJobs` allows',
  'waiting-full': 'a limit is reached, and no more changes may wait; a catch-up query finds the start again',
} as const;

export type RuleName = keyof typeof RULES;

/** The result of a rule. */
export interface Finding {
  readonly rule: RuleName;
  /** Why, as a plain sentence. */
  readonly why: string;
}
