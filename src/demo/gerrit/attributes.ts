/**
 * Gerrit's JSON as its stream and its query print it, with the same fields in the same order; test/samples has the output of
 * real servers. Omits absent values: no nulls, no empty topics, `wip` and `private` only when true.
 */
import type { ChangeRecord, EventJson, GerritAccount, GerritState, PatchsetRecord } from './state.ts';
import { changeRef, currentPatchset } from './state.ts';

type Json = Record<string, unknown>;

/** One line of JSON the way Gerrit's library writes it: characters that matter in HTML are escaped. */
export function toLine(value: unknown): string {
  const escaped = JSON.stringify(value).replace(
    /[<>&='\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return `${escaped}\n`;
}

export function accountJson(account: { name: string; email: string; username?: string }): Json {
  return {
    ...(account.name === '' ? {} : { name: account.name }),
    ...(account.email === '' ? {} : { email: account.email }),
    ...(account.username === undefined ? {} : { username: account.username }),
  };
}

/** With `options` as `gerrit query` prints it, else as in an event. A query omits the commit message unless requested. */
export function changeJson(
  state: GerritState,
  change: ChangeRecord,
  options: { readonly commitMessage: boolean } | null = null,
): Json {
  const hashtags = options === null && change.hashtags.length === 0 ? {} : { hashtags: [...change.hashtags] };
  return {
    project: change.project,
    branch: change.branch,
    ...(change.topic === '' ? {} : { topic: change.topic }),
    id: change.id,
    number: change.number,
    subject: change.commitMessage.split('\n')[0] ?? '',
    owner: accountJson(change.owner),
    url: changeUrl(state, change),
    ...(options === null || options.commitMessage ? { commitMessage: change.commitMessage } : {}),
    ...hashtags,
    createdOn: change.createdOn,
    ...(options !== null ? { lastUpdated: change.lastUpdated, open: change.status === 'NEW' } : {}),
    status: change.status,
    ...(change.isPrivate ? { private: true } : {}),
    ...(change.wip ? { wip: true } : {}),
  };
}

/** The changes that the current patchset depends on, closed or not, and those that depend on it. */
export function relativesJson(state: GerritState, change: ChangeRecord): Json {
  const current = currentPatchset(change);
  const relative = ({ id, number }: ChangeRecord, { revision, ref }: PatchsetRecord) => ({
    id,
    number,
    revision,
    ref,
  });
  const dependsOn: Json[] = [];
  const neededBy: Json[] = [];
  for (const other of state.changes.values()) {
    if (other.project !== change.project) continue;
    const newest = currentPatchset(other);
    const parent = other.patchsets.find(({ revision }) => current.parents.includes(revision));
    if (parent !== undefined) {
      dependsOn.push({ ...relative(other, parent), isCurrentPatchSet: parent === newest });
    }
    if (newest.parents.includes(current.revision)) neededBy.push(relative(other, newest));
  }
  return {
    ...(dependsOn.length === 0 ? {} : { dependsOn }),
    ...(neededBy.length === 0 ? {} : { neededBy }),
  };
}

export function changeUrl(state: GerritState, change: ChangeRecord): string {
  return `${state.url}/c/${change.project}/+/${change.number}`;
}

export function patchsetJson(patchset: PatchsetRecord): Json {
  return {
    number: patchset.number,
    revision: patchset.revision,
    parents: [...patchset.parents],
    ref: patchset.ref,
    uploader: accountJson(patchset.uploader),
    createdOn: patchset.createdOn,
    author: accountJson(patchset.author),
    kind: patchset.kind,
    sizeInsertions: patchset.insertions,
    sizeDeletions: patchset.deletions,
  };
}

/** One entry for every label, voted or not; `oldValue` only where this account's vote changed now. */
export function approvalsJson(
  state: GerritState,
  patchset: PatchsetRecord,
  by: GerritAccount,
  before: ReadonlyMap<string, number>,
): Json[] {
  return state.labels.map((label) => {
    const old = before.get(label.name);
    return {
      type: label.name,
      description: label.name,
      value: String(patchset.votes.get(label.name)?.get(by.username)?.value ?? 0),
      ...(old === undefined ? {} : { oldValue: String(old) }),
    };
  });
}

export function refUpdatedEvent(
  state: GerritState,
  by: GerritAccount,
  project: string,
  ref: string,
  oldRev: string,
  newRev: string,
): EventJson {
  return {
    submitter: accountJson(by),
    refUpdate: { oldRev, newRev, refName: ref, project },
    type: 'ref-updated',
    eventCreatedOn: state.now(),
  };
}

export function metaUpdatedEvent(
  state: GerritState,
  by: GerritAccount,
  change: ChangeRecord,
  old: string,
): EventJson {
  return refUpdatedEvent(state, by, change.project, changeRef(change.number, 'meta'), old, change.meta);
}

/** An event about a change. `fields` come before the patchset and the change in Gerrit's order. */
export function changeEvent(
  state: GerritState,
  type: string,
  change: ChangeRecord,
  fields: Json,
  patchset: PatchsetRecord | null = currentPatchset(change),
): EventJson {
  return {
    ...fields,
    ...(patchset === null ? {} : { patchSet: patchsetJson(patchset) }),
    change: changeJson(state, change),
    project: change.project,
    refName: `refs/heads/${change.branch}`,
    changeKey: { id: change.id },
    type,
    eventCreatedOn: state.now(),
  };
}
