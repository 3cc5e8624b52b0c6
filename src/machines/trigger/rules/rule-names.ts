/**
 * The words by which a decision names the rule that made it. Scripts and people may rely on them: they are documented, and a
 * word that was given stays. Beside each stands what the rule says.
 */

export const RULES = {
  patchset: 'a new patchset',
  ready: 'the change is no longer work in progress or private',
  restored: 'the change was restored',
  recheck: 'a comment begins with recheck',
  'run-ci': 'a comment begins with run- and the name of this CI',
  comment: 'a comment matches a pattern of comments; or it asks for nothing',
  vote: 'a vote that votes names was cast',
  event: 'an event of this type starts nothing',
  closed: 'the change is abandoned, merged or deleted',
  superseded: 'a newer patchset takes the place of an older one',
  moved: 'the change was moved to another branch',
  'own-account': 'what our own account does starts nothing',
  'ci-account': 'what another CI does starts nothing, but for its vote',
  project: 'no pattern of project fits',
  branch: 'no pattern of branches fits',
  trigger: 'triggers does not name what happened',
  topic: 'no pattern of topics fits',
  hashtag: 'no pattern of hashtags fits',
  kind: 'kinds passes over patchsets of this kind',
  uploader: 'uploaders passes over who uploaded the patchset',
  author: "authors passes over the commit's author",
  commenter: 'commenters passes over who wrote the comment',
  wip: 'the change is work in progress',
  private: 'the change is private',
  'newer-patchset': 'a newer patchset is being tested, or is the current one',
  running: 'this patchset is being tested',
  started: 'the same cause has started it before',
  files: 'files passes over what the patchset touches',
  after: 'the jobs wait for the vote that requireVote names',
  'limit-change': 'starts of this change in an hour',
  'limit-author': 'starts by one account in an hour',
  'limit-project': 'starts of this project in an hour',
  'limit-hour': 'all starts in an hour',
  'queue-full': 'as many jobs are open as triggers.maxOpenJobs allows',
  'waiting-full': 'a limit is reached, and as many changes wait as may wait; a look back finds it again',
} as const;

export type RuleWord = keyof typeof RULES;

/** What a rule says. */
export interface Finding {
  readonly rule: RuleWord;
  /** Why, in a plain sentence. */
  readonly why: string;
}
