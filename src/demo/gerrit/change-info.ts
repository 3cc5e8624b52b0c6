/**
 * Changes, messages and accounts as Gerrit's REST API shows them: the fields that a CI reads, as real servers return them. The
 * JSON differs from the stream's: names of numeric ids start with an underscore, and times are strings.
 */
import type {
  ChangeRecord,
  GerritAccount,
  GerritState,
  Label,
  MessageRecord,
  PatchsetRecord,
} from './state.ts';
import { currentPatchset } from './state.ts';

type Json = Record<string, unknown>;

/** The supported values of `o=`; others are rejected. */
export const CHANGE_OPTIONS = [
  'MESSAGES',
  'ALL_REVISIONS',
  'CURRENT_REVISION',
  'CURRENT_COMMIT',
  'CURRENT_FILES',
  'DETAILED_LABELS',
  'DETAILED_ACCOUNTS',
] as const;

export function accountInfo(state: GerritState, account: GerritAccount, detailed = true): Json {
  const id = { _account_id: state.accountId(account.username) };
  const { name, email, username } = account;
  return detailed ? { ...id, name, email, username } : id;
}

export function messageInfo(state: GerritState, message: MessageRecord, detailed = true): Json {
  return {
    id: message.id,
    ...(message.tag === '' ? {} : { tag: message.tag }),
    author: accountInfo(state, message.author, detailed),
    date: timestamp(message.at),
    message: message.text,
    accounts_in_message: [],
    _revision_number: message.patchset,
  };
}

/** Grouped by file, sorted by text. Gerrit assigns comments of one second to the first message of that second. */
export function commentsInfo(state: GerritState, change: ChangeRecord): Json {
  const files: Record<string, Json[]> = {};
  const byText = [...change.comments].sort((one, other) => (one.text < other.text ? -1 : 1));
  for (const { at, author, patchset, file, text } of byText) {
    const message = change.messages.find((one) => one.author === author && one.at === at);
    const info = {
      author: accountInfo(state, author),
      change_message_id: message?.id,
      unresolved: false,
      patch_set: patchset,
      updated: timestamp(at),
      message: text,
    };
    files[file] = [...(files[file] ?? []), info];
  }
  return files;
}

export function changeInfo(
  state: GerritState,
  by: GerritAccount,
  change: ChangeRecord,
  options: ReadonlySet<string>,
): Json {
  const detailed = options.has('DETAILED_ACCOUNTS');
  const info: Json = {
    id: `${encodeURIComponent(change.project)}~${change.number}`,
    triplet_id: `${encodeURIComponent(change.project)}~${change.branch}~${change.id}`,
    project: change.project,
    branch: change.branch,
    ...(change.topic === '' ? {} : { topic: change.topic }),
    hashtags: [...change.hashtags],
    change_id: change.id,
    subject: change.commitMessage.split('\n')[0] ?? '',
    status: change.status,
    created: timestamp(change.createdOn),
    updated: timestamp(change.lastUpdated),
    ...(change.isPrivate ? { is_private: true } : {}),
    ...(change.wip ? { work_in_progress: true } : {}),
    _number: change.number,
    owner: accountInfo(state, change.owner, detailed),
  };
  if (options.has('DETAILED_LABELS')) {
    info.labels = Object.fromEntries(
      state.labels.map((label) => [label.name, labelInfo(state, change, label, detailed)]),
    );
    info.permitted_labels = permittedLabels(state, by, change);
  }
  if (options.has('MESSAGES')) {
    info.messages = change.messages.map((message) => messageInfo(state, message, detailed));
  }
  const shown = options.has('ALL_REVISIONS') ? change.patchsets : [currentPatchset(change)];
  if (options.has('ALL_REVISIONS') || options.has('CURRENT_REVISION')) {
    info.current_revision = currentPatchset(change).revision;
    info.revisions = Object.fromEntries(
      shown.map((patchset) => [patchset.revision, revisionInfo(state, change, patchset, options)]),
    );
  }
  return info;
}

function revisionInfo(
  state: GerritState,
  change: ChangeRecord,
  patchset: PatchsetRecord,
  options: ReadonlySet<string>,
): Json {
  const { number, ref, kind, createdOn, uploader, author, parents, files } = patchset;
  const current = patchset === currentPatchset(change);
  const { name, email } = author;
  const commit = { parents: parents.map((parent) => ({ commit: parent })), author: { name, email } };
  const listed = files.map(({ file, fileOld }) => [file, fileOld === undefined ? {} : { old_path: fileOld }]);
  return {
    kind,
    _number: number,
    created: timestamp(createdOn),
    uploader: accountInfo(state, uploader, options.has('DETAILED_ACCOUNTS')),
    ref,
    fetch: {},
    ...(current && options.has('CURRENT_COMMIT') ? { commit } : {}),
    ...(current && options.has('CURRENT_FILES') ? { files: Object.fromEntries(listed) } : {}),
  };
}

/** `2026-11-22 20:07:12.000000000`, UTC. */
function timestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}.000000000`;
}

function labelInfo(state: GerritState, change: ChangeRecord, label: Label, detailed: boolean): Json {
  const votes = [...(currentPatchset(change).votes.get(label.name) ?? [])];
  const all = votes.flatMap(([username, { value, at }]) => {
    const account = state.accounts.get(username);
    if (account === undefined) return [];
    return [{ value, date: timestamp(at), ...accountInfo(state, account, detailed) }];
  });
  const values = Object.fromEntries(valuesOf(label).map((value) => [signed(value), '']));
  return { ...(all.length === 0 ? {} : { all }), values, default_value: 0 };
}

/** What this account may vote on the change now; nothing on a closed one. */
function permittedLabels(state: GerritState, by: GerritAccount, change: ChangeRecord): Json {
  if (change.status !== 'NEW') return {};
  return Object.fromEntries(
    state.labels.flatMap((label) => {
      const range = by.labels[label.name];
      if (range === undefined) return [];
      return [[label.name, valuesOf({ min: range[0], max: range[1] }).map(signed)]];
    }),
  );
}

function valuesOf({ min, max }: Pick<Label, 'min' | 'max'>): readonly number[] {
  return Array.from({ length: max - min + 1 }, (_, index) => min + index);
}

/** `-1`, ` 0`, `+1`: two columns, as Gerrit writes them. */
function signed(value: number): string {
  return value > 0 ? `+${value}` : value === 0 ? ' 0' : String(value);
}
