/** The words by which a decision names the rule that made it, and what each rule says. Scripts rely on them, so they are stable. */

export const RULES = {
  patchset: 'a new patchset',
  ready: 'the change is no longer work in progress or private',
  restored: 'the change was restored',
  recheck: 'a comment begins with recheck',
  'run-ci': 'a comment begins with run- and the name of this CI',
  comment: 'a comment matches a pattern of comments, or asks for nothing',
  vote: 'a vote that votes lists was given',
  event: 'events of this type start nothing',
  closed: 'the change is abandoned, merged or deleted',
  superseded: 'a newer patchset replaces an older one',
  moved: 'the change was moved to another branch',
  'own-account': 'events of our own account start nothing',
  'ci-account': 'events of other CIs start nothing, except votes',
  project: 'no pattern of project matches',
  branch: 'no pattern of branches matches',
  trigger: 'triggers does not list what happened',
  topic: 'no pattern of topics matches',
  hashtag: 'no pattern of hashtags matches',
  kind: 'kinds excludes this kind of patchset',
  uploader: 'uploaders excludes the uploader',
  author: "authors excludes the commit's author",
  commenter: 'commenters excludes the author of the comment',
  wip: 'the change is work in progress',
  private: 'the change is private',
  'newer-patchset': 'a newer patchset is being tested, or is the current one',
  running: 'this patchset is being tested',
  seen: 'it was told before, or is looked up first',
  started: 'the same cause has started it before',
  files: 'files excludes what the patchset changes',
  'require-vote': 'the jobs wait for the vote that requireVote names',
  'limit-change': 'the limit of starts of this change in an hour',
  'limit-author': 'the limit of starts by one account in an hour',
  'limit-project': 'the limit of starts of this project in an hour',
  'limit-total': 'the limit of all starts in an hour',
  'queue-full': 'as many jobs are open as triggers.maxOpenJobs allows',
  'waiting-full':
    'a limit is reached, and as many changes wait as may wait; a catch-up query finds the start again',
} as const;

export type RuleWord = keyof typeof RULES;

/** What a rule says. */
export interface Finding {
  readonly rule: RuleWord;
  /** Why, in a plain sentence. */
  readonly why: string;
}
