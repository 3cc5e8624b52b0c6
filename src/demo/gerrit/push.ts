/**
 * Handles pushes: commits to refs/for/BRANCH create changes or new patchsets, found by Change-Id; all other pushes need an
 * administrator. Checks every commit of a push before accepting the first one.
 */
import { accountJson, changeEvent, changeUrl, refUpdatedEvent } from './attributes.ts';
import { topicChangedEvent } from './change-edits.ts';
import type { Commit, Repository } from './repository.ts';
import { markUpdated } from './review.ts';
import type { ChangeRecord, GerritAccount, GerritState, PatchsetRecord } from './state.ts';
import { addMessage, changeRef, currentPatchset, NO_REVISION } from './state.ts';

const COMMITS_IN_ONE_PUSH = 100;

export interface PushCommand {
  readonly oldRev: string;
  readonly newRev: string;
  readonly ref: string;
}

/** `rejected`: git's one-line reason. `lines`: Gerrit's messages to the user. */
export interface PushResult {
  readonly rejected: string | null;
  readonly lines: readonly string[];
}

interface PushTarget {
  readonly branch: string;
  readonly topic: string | null;
  readonly hashtags: readonly string[];
  readonly wip: boolean | null;
  readonly isPrivate: boolean | null;
}

class PushRejected extends Error {
  override readonly name = 'PushRejected';
  readonly lines: readonly string[];
  constructor(message: string, lines: readonly string[] = []) {
    super(message);
    this.lines = lines;
  }
}

export async function acceptPush(
  state: GerritState,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<PushResult> {
  try {
    if (command.ref.startsWith('refs/for/')) {
      return { rejected: null, lines: await acceptForReview(state, by, project, repository, command) };
    }
    await acceptDirect(state, by, project, repository, command);
    return { rejected: null, lines: [] };
  } catch (error) {
    if (!(error instanceof PushRejected)) throw error;
    return { rejected: error.message, lines: error.lines };
  }
}

async function acceptDirect(
  state: GerritState,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<void> {
  if (!by.admin || !command.ref.startsWith('refs/heads/') || command.newRev === NO_REVISION) {
    throw new PushRejected('prohibited by Gerrit: not permitted: update');
  }
  await repository.git(['update-ref', command.ref, command.newRev, command.oldRev]);
  const event = refUpdatedEvent(state, by, project, command.ref, command.oldRev, command.newRev);
  state.publish(event, null);
}

async function acceptForReview(
  state: GerritState,
  by: GerritAccount,
  project: string,
  repository: Repository,
  command: PushCommand,
): Promise<string[]> {
  const target = readTarget(command.ref);
  const branch = `refs/heads/${target.branch}`;
  if (!(await repository.refs(branch)).has(branch))
    throw new PushRejected(`branch ${target.branch} not found`);
  const count = `--max-count=${COMMITS_IN_ONE_PUSH + 1}`;
  const listed = await repository.git(['rev-list', '--topo-order', count, command.newRev, `^${branch}`]);
  const revisions = listed.split('\n').filter((line) => line !== '');
  if (revisions.length > COMMITS_IN_ONE_PUSH) throw new PushRejected('too many commits');
  const steps: { commit: Commit; id: string; change: ChangeRecord | undefined }[] = [];
  for (const revision of revisions.reverse()) {
    if (isKnown(state, project, target.branch, revision)) continue;
    const commit = await repository.commit(revision);
    const id = changeId(commit);
    const change = state.changeById(project, target.branch, id);
    if (change !== undefined && change.status !== 'NEW') {
      throw new PushRejected(`change ${changeUrl(state, change)} closed`);
    }
    steps.push({ commit, id, change });
  }
  if (steps.length === 0) throw new PushRejected('no new changes');
  const lines: string[] = [];
  for (const { commit, id, change } of steps) {
    const updated = change ?? newChange(state, by, project, target, commit, id);
    await addPatchset(state, by, repository, updated, commit, target);
    const subject = commit.message.split('\n')[0] ?? '';
    lines.push(`  ${changeUrl(state, updated)} ${subject}${change === undefined ? ' [NEW]' : ''}`);
  }
  return ['', 'SUCCESS', '', ...lines, ''];
}

function readTarget(ref: string): PushTarget {
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
    else throw new PushRejected(`"--${name}" is not a valid option`);
  }
  return { branch, topic, hashtags, wip, isPrivate };
}

function isKnown(state: GerritState, project: string, branch: string, revision: string): boolean {
  for (const change of state.changes.values()) {
    if (change.project !== project || change.branch !== branch) continue;
    if (change.patchsets.some((patchset) => patchset.revision === revision)) return true;
  }
  return false;
}

/** The Change-Id in the last paragraph. @throws PushRejected with Gerrit's message */
function changeId(commit: Commit): string {
  const footer = commit.message.trimEnd().split(/\n\n+/).slice(1).at(-1) ?? '';
  const ids = footer.split('\n').filter((line) => line.startsWith('Change-Id:'));
  const id = /^Change-Id: (I[0-9a-f]{40})$/.exec(ids[0] ?? '')?.[1];
  let problem = '';
  if (ids.length > 1) problem = 'multiple Change-Id lines in message footer';
  else if (ids.length === 0) problem = 'missing Change-Id in message footer';
  else if (id === undefined) problem = 'invalid Change-Id line format in message footer';
  if (id !== undefined && problem === '') return id;
  const reason = `commit ${commit.revision.slice(0, 7)}: ${problem}`;
  throw new PushRejected(reason, [
    `ERROR: ${reason}`,
    '',
    'Hint: end the commit message with a separate line: Change-Id: I and 40 hex digits,',
    'then push again.',
  ]);
}

function newChange(
  state: GerritState,
  by: GerritAccount,
  project: string,
  target: PushTarget,
  commit: Commit,
  id: string,
): ChangeRecord {
  const change: ChangeRecord = {
    number: state.changes.size + 1,
    project,
    branch: target.branch,
    id,
    owner: by,
    createdOn: state.now(),
    patchsets: [],
    messages: [],
    comments: [],
    commitMessage: commit.message,
    lastUpdated: state.now(),
    topic: target.topic ?? '',
    hashtags: [...target.hashtags],
    status: 'NEW',
    wip: target.wip ?? false,
    isPrivate: target.isPrivate ?? false,
    meta: NO_REVISION,
  };
  state.changes.set(change.number, change);
  return change;
}

async function addPatchset(
  state: GerritState,
  by: GerritAccount,
  repository: Repository,
  change: ChangeRecord,
  commit: Commit,
  target: PushTarget,
): Promise<void> {
  const number = change.patchsets.length + 1;
  const patchset = await patchsetRecord(state, by, repository, change, commit, number);
  await repository.updateRef(patchset.ref, commit.revision);
  const topicSet = target.topic !== null && (number === 1 || target.topic !== change.topic);
  const oldTopic = change.topic;
  change.patchsets.push(patchset);
  change.commitMessage = commit.message;
  change.topic = target.topic ?? change.topic;
  change.wip = target.wip ?? change.wip;
  change.isPrivate = target.isPrivate ?? change.isPrivate;
  addMessage(change, {
    at: state.now(),
    author: by,
    patchset: number,
    text: `Uploaded patch set ${number}.`,
    tag: 'autogenerated:gerrit:newPatchSet',
  });
  const refEvent = refUpdatedEvent(state, by, change.project, patchset.ref, NO_REVISION, commit.revision);
  state.publish(refEvent, change);
  markUpdated(state, change, by);
  state.publish(changeEvent(state, 'patchset-created', change, { uploader: accountJson(by) }), change);
  if (topicSet) state.publish(topicChangedEvent(state, by, change, oldTopic), change);
}

async function patchsetRecord(
  state: GerritState,
  by: GerritAccount,
  repository: Repository,
  change: ChangeRecord,
  commit: Commit,
  number: number,
): Promise<PatchsetRecord> {
  const files = await repository.changedFiles(commit);
  const author = state.accountByEmail(commit.author.email);
  // Gerrit counts the commit message as a file, with six header lines.
  const messageLines = commit.message.split('\n').length - 1 + 6;
  const gerritFiles = ['/COMMIT_MSG', ...(commit.parents.length > 1 ? ['/MERGE_LIST'] : [])];
  const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
  return {
    number,
    revision: commit.revision,
    parents: commit.parents,
    ref: changeRef(change.number, number),
    uploader: by,
    author: author ?? commit.author,
    createdOn: state.now(),
    kind: number === 1 ? 'REWORK' : await kindOf(repository, change, commit),
    insertions: messageLines + sum(files.map(({ insertions }) => insertions)),
    deletions: -sum(files.map(({ deletions }) => deletions)),
    files: [
      ...gerritFiles.map((file) => ({
        file,
        type: 'ADDED' as const,
        insertions: messageLines,
        deletions: 0,
      })),
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
