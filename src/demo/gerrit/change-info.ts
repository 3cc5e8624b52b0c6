/**
 * Changes, messages and accounts as Gerrit's REST interface shows them, field by field as a real server was measured to,
 * as far as a CI reads them. Its JSON differs from the stream's: numbers begin with an underscore, times are texts.
 */
import type { ChangeRecord, GerritAccount, Label, MessageRecord, PatchsetRecord, Site } from './state.ts';
import { currentPatchset } from './state.ts';

type Json = Record<string, unknown>;

/** What `o=` may ask for; others are refused. */
export const CHANGE_OPTIONS = [
  'MESSAGES',
  'ALL_REVISIONS',
  'CURRENT_REVISION',
  'CURRENT_COMMIT',
  'CURRENT_FILES',
  'DETAILED_LABELS',
  'DETAILED_ACCOUNTS',
] as const;

export function accountInfo(site: Site, account: GerritAccount, detailed = true): Json {
  const id = { _account_id: site.accountId(account.username) };
  const { name, email, username } = account;
  return detailed ? { ...id, name, email, username } : id;
}

export function messageInfo(site: Site, message: MessageRecord, detailed = true): Json {
  return {
    id: message.id,
    ...(message.tag === '' ? {} : { tag: message.tag }),
    author: accountInfo(site, message.author, detailed),
    date: timestamp(message.at),
    message: message.text,
    accounts_in_message: [],
    _revision_number: message.patchset,
  };
}

/** By file, and there by their words. Those of one second belong to its first message, as far as Gerrit says. */
export function commentsInfo(site: Site, change: ChangeRecord): Json {
  const files: Record<string, Json[]> = {};
  const byWords = [...change.comments].sort((one, other) => (one.text < other.text ? -1 : 1));
  for (const { at, author, patchset, file, text } of byWords) {
    const message = change.messages.find((one) => one.author === author && one.at === at);
    const info = {
      author: accountInfo(site, author),
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
  site: Site,
  by: GerritAccount,
  change: ChangeRecord,
  asked: ReadonlySet<string>,
): Json {
  const detailed = asked.has('DETAILED_ACCOUNTS');
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
    owner: accountInfo(site, change.owner, detailed),
  };
  if (asked.has('DETAILED_LABELS')) {
    info.labels = Object.fromEntries(
      site.labels.map((label) => [label.name, labelInfo(site, change, label, detailed)]),
    );
    info.permitted_labels = permittedLabels(site, by, change);
  }
  if (asked.has('MESSAGES')) {
    info.messages = change.messages.map((message) => messageInfo(site, message, detailed));
  }
  const shown = asked.has('ALL_REVISIONS') ? change.patchsets : [currentPatchset(change)];
  if (asked.has('ALL_REVISIONS') || asked.has('CURRENT_REVISION')) {
    info.current_revision = currentPatchset(change).revision;
    info.revisions = Object.fromEntries(
      shown.map((patchset) => [patchset.revision, revisionInfo(site, change, patchset, asked)]),
    );
  }
  return info;
}

function revisionInfo(
  site: Site,
  change: ChangeRecord,
  patchset: PatchsetRecord,
  asked: ReadonlySet<string>,
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
    uploader: accountInfo(site, uploader, asked.has('DETAILED_ACCOUNTS')),
    ref,
    fetch: {},
    ...(current && asked.has('CURRENT_COMMIT') ? { commit } : {}),
    ...(current && asked.has('CURRENT_FILES') ? { files: Object.fromEntries(listed) } : {}),
  };
}

/** `2026-11-22 20:07:12.000000000`, UTC. */
function timestamp(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().slice(0, 19).replace('T', ' ')}.000000000`;
}

function labelInfo(site: Site, change: ChangeRecord, label: Label, detailed: boolean): Json {
  const votes = [...(currentPatchset(change).votes.get(label.name) ?? [])];
  const all = votes.flatMap(([username, { value, at }]) => {
    const account = site.accounts.get(username);
    if (account === undefined) return [];
    return [{ value, date: timestamp(at), ...accountInfo(site, account, detailed) }];
  });
  const values = Object.fromEntries(valuesOf(label).map((value) => [signed(value), '']));
  return { ...(all.length === 0 ? {} : { all }), values, default_value: 0 };
}

/** What this account may vote on the change now; nothing on a closed one. */
function permittedLabels(site: Site, by: GerritAccount, change: ChangeRecord): Json {
  if (change.status !== 'NEW') return {};
  return Object.fromEntries(
    site.labels.flatMap((label) => {
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
