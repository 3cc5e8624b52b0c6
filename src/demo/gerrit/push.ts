/**
 * What a push means: commits sent to refs/for/BRANCH make changes or their next patchsets, found by Change-Id; anything
 * else needs an administrator. Every commit of a push is checked before the first one is taken.
 */
import { accountJson, changeEvent, changeUrl, refUpdatedEvent } from './attributes.ts';
import { topicChangedEvent } from './change-edits.ts';
import type { Commit, Repository } from './repository.ts';
import { touch } from './review.ts';
import type { ChangeRecord, GerritAccount, PatchsetRecord, Site } from './state.ts';
import { changeRef, currentPatchset, NO_REVISION, say } from './state.ts';

const COMMITS_IN_ONE_PUSH = 100;

export interface PushCommand {
  readonly oldRev: string;
  readonly newRev: string;
  readonly ref: string;
}

/** `refused`: git's one-line reason. `lines`: what Gerrit tells the person who pushed. */
export interface PushAnswer {
  readonly refused: string | null;
  readonly lines: readonly string[];
}

interface Wanted {
  readonly branch: string;
  readonly topic: string | null;
  readonly hashtags: readonly string[];
  readonly wip: boolean | null;
  readonly isPrivate: boolean | null;
}

class Refused extends Error {
  override readonly name = 'Refused';
  readonly lines: readonly string[];
  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}

export async function acceptPush(
  site: Site,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<PushAnswer> {
  try {
    if (command.ref.startsWith('refs/for/')) {
      return { refused: null, lines: await acceptForReview(site, by, project, repository, command) };
    }
    await acceptDirect(site, by, project, repository, command);
    return { refused: null, lines: [] };
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    return { refused: error.message, lines: error.lines };
  }
}

async function acceptDirect(
  site: Site,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<void> {
  if (!by.admin || !command.ref.startsWith('refs/heads/') || command.newRev === NO_REVISION) {
    throw new Refused('prohibited by Gerrit: not permitted: update');
  }
  await repository.git(['update-ref', command.ref, command.newRev, command.oldRev]);
  const event = refUpdatedEvent(site, by, project, command.ref, command.oldRev, command.newRev);
  site.publish(event, null);
}

async function acceptForReview(
  site: Site,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<string[]> {
  const wanted = readTarget(command.ref);
  const branch = `refs/heads/${wanted.branch}`;
  if (!(await repository.refs(branch)).has(branch)) throw new Refused(`branch ${wanted.branch} not found`);
  const count = `--max-count=${COMMITS_IN_ONE_PUSH + 1}`;
  const listed = await repository.git(['rev-list', '--topo-order', count, command.newRev, `^${branch}`]);
  const revisions = listed.split('\n').filter((line) => line !== '');
  if (revisions.length > COMMITS_IN_ONE_PUSH) throw new Refused('too many commits');
  const steps: { commit: Commit; id: string; change: ChangeRecord | undefined }[] = [];
  for (const revision of revisions.reverse()) {
    if (isKnown(site, project, wanted.branch, revision)) continue;
    const commit = await repository.commit(revision);
    const id = changeId(commit);
    const change = site.changeById(project, wanted.branch, id);
    if (change !== undefined && change.status !== 'NEW') {
      throw new Refused(`change ${changeUrl(site, change)} closed`);
    }
    steps.push({ commit, id, change });
  }
  if (steps.length === 0) throw new Refused('no new changes');
  const lines: string[] = [];
  for (const { commit, id, change } of steps) {
    const taken = change ?? newChange(site, by, project, wanted, commit, id);
    await addPatchset(site, by, repository, taken, commit, wanted);
    const subject = commit.message.split('\n')[0] ?? '';
    lines.push(`  ${changeUrl(site, taken)} ${subject}${change === undefined ? ' [NEW]' : ''}`);
  }
  return ['', 'SUCCESS', '', ...lines, ''];
}

function readTarget(ref: string): Wanted {
  const percent = ref.indexOf('%');
  const branch = ref
    .slice('refs/for/'.length, percent < 0 ? undefined : percent)
    .replace(/^refs\/heads\//, '');
  let topic: string | null = null;
  let wip: boolean | null = null;
  let isPrivate: boolean | null = null;
  const hashtags: string[] = [];
  for (const option of percent < 0 ? [] : ref.slice(percent + 1).split(',')) {
    const [name, value = ''] = option.split('=', 2);
    if (name === 'topic') topic = value;
    else if (name === 'hashtag' || name === 't') hashtags.push(value);
    else if (name === 'wip' || name === 'ready') wip = name === 'wip';
    else if (name === 'private' || name === 'remove-private') isPrivate = name === 'private';
    else throw new Refused(`"--${name}" is not a valid option`);
  }
  return { branch, topic, hashtags, wip, isPrivate };
}

function isKnown(site: Site, project: string, branch: string, revision: string): boolean {
  for (const change of site.changes.values()) {
    if (change.project !== project || change.branch !== branch) continue;
    if (change.patchsets.some((patchset) => patchset.revision === revision)) return true;
  }
  return false;
}

/** The Change-Id in the last paragraph, or a refusal in Gerrit's words. */
function changeId(commit: Commit): string {
  const footer = commit.message.trimEnd().split(/\n\n+/).slice(1).at(-1) ?? '';
  const ids = footer.split('\n').filter((line) => line.startsWith('Change-Id:'));
  const id = /^Change-Id: (I[0-9a-f]{40})$/.exec(ids[0] ?? '')?.[1];
  let why = '';
  if (ids.length > 1) why = 'multiple Change-Id lines in message footer';
  else if (ids.length === 0) why = 'missing Change-Id in message footer';
  else if (id === undefined) why = 'invalid Change-Id line format in message footer';
  if (id !== undefined && why === '') return id;
  const reason = `commit ${commit.revision.slice(0, 7)}: ${why}`;
  throw new Refused(reason, [
    `ERROR: ${reason}`,
    '',
    'Hint: end the commit message with a line of its own: Change-Id: I and 40 hex digits,',
    'then push again.',
  ]);
}

function newChange(
  site: Site,
  by: GerritAccount,
  project: string,
  wanted: Wanted,
  commit: Commit,
  id: string,
): ChangeRecord {
  const change: ChangeRecord = {
    number: site.changes.size + 1,
    project,
    branch: wanted.branch,
    id,
    owner: by,
    createdOn: site.now(),
    patchsets: [],
    messages: [],
    comments: [],
    commitMessage: commit.message,
    lastUpdated: site.now(),
    topic: wanted.topic ?? '',
    hashtags: [...wanted.hashtags],
    status: 'NEW',
    wip: wanted.wip ?? false,
    isPrivate: wanted.isPrivate ?? false,
    meta: NO_REVISION,
  };
  site.changes.set(change.number, change);
  return change;
}

async function addPatchset(
  site: Site,
  by: GerritAccount,
  repository: Repository,
  change: ChangeRecord,
  commit: Commit,
  wanted: Wanted,
): Promise<void> {
  const number = change.patchsets.length + 1;
  const patchset = await patchsetRecord(site, by, repository, change, commit, number);
  await repository.updateRef(patchset.ref, commit.revision);
  const topicSet = wanted.topic !== null && (number === 1 || wanted.topic !== change.topic);
  const oldTopic = change.topic;
  change.patchsets.push(patchset);
  change.commitMessage = commit.message;
  change.topic = wanted.topic ?? change.topic;
  change.wip = wanted.wip ?? change.wip;
  change.isPrivate = wanted.isPrivate ?? change.isPrivate;
  say(change, {
    at: site.now(),
    author: by,
    patchset: number,
    text: `Uploaded patch set ${number}.`,
    tag: 'autogenerated:gerrit:newPatchSet',
  });
  const refEvent = refUpdatedEvent(site, by, change.project, patchset.ref, NO_REVISION, commit.revision);
  site.publish(refEvent, change);
  touch(site, change, by);
  site.publish(changeEvent(site, 'patchset-created', change, { uploader: accountJson(by) }), change);
  if (topicSet) site.publish(topicChangedEvent(site, by, change, oldTopic), change);
}

async function patchsetRecord(
  site: Site,
  by: GerritAccount,
  repository: Repository,
  change: ChangeRecord,
  commit: Commit,
  number: number,
): Promise<PatchsetRecord> {
  const files = await repository.changedFiles(commit);
  const author = site.accountByEmail(commit.author.email);
  // Gerrit counts the commit message as a file: its lines, after six of a header of its own.
  const messageLines = commit.message.split('\n').length - 1 + 6;
  const own = ['/COMMIT_MSG', ...(commit.parents.length > 1 ? ['/MERGE_LIST'] : [])];
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    number,
    revision: commit.revision,
    parents: commit.parents,
    ref: changeRef(change.number, number),
    uploader: by,
    author: author ?? commit.author,
    createdOn: site.now(),
    kind: number === 1 ? 'REWORK' : await kindOf(repository, change, commit),
    insertions: messageLines + sum(files.map(({ insertions }) => insertions)),
    deletions: -sum(files.map(({ deletions }) => deletions)),
    files: [
      ...own.map((file) => ({ file, type: 'ADDED' as const, insertions: messageLines, deletions: 0 })),
      ...files,
    ],
    votes: new Map(),
  };
}

async function kindOf(repository: Repository, change: ChangeRecord, commit: Commit): Promise<string> {
  const previous = await repository.commit(currentPatchset(change).revision);
  const sameMessage = previous.message === commit.message;
  if (previous.parents.join() === commit.parents.join()) {
    if (previous.tree !== commit.tree) return 'REWORK';
    return sameMessage ? 'NO_CHANGE' : 'NO_CODE_CHANGE';
  }
  if ((await repository.patchId(previous)) !== (await repository.patchId(commit))) return 'REWORK';
  return sameMessage ? 'TRIVIAL_REBASE' : 'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE';
}
