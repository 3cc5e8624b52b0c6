/**
 * The state of the embedded Gerrit, in memory: accounts, labels, projects, changes, and the listeners for events. Refs and
 * objects are in real git repositories, except for `refs/changes/NN/N/meta`, which only appears in events.
 */
import { randomBytes } from 'node:crypto';
import type { Repository } from './repository.ts';

const FIRST_ACCOUNT = 1_000_000;
export const NO_REVISION = '0'.repeat(40);

/** An account. `labels` are the ranges that it may vote; it may not vote on other labels. */
export interface GerritAccount {
  readonly username: string;
  readonly name: string;
  readonly email: string;
  /** OpenSSH lines: `ssh-ed25519 AAAA... comment`. */
  readonly publicKeys: readonly string[];
  readonly mayStream: boolean;
  readonly labels: Readonly<Record<string, readonly [min: number, max: number]>>;
  readonly admin: boolean;
  /** For the REST interface; absent: none. */
  readonly httpPassword?: string;
}

export interface Label {
  readonly name: string;
  readonly min: number;
  readonly max: number;
}

export interface Vote {
  value: number;
  at: number;
}

/** A file that a patchset touches. */
export interface FileRecord {
  readonly file: string;
  /** The old path of a renamed file. */
  readonly fileOld?: string;
  readonly type: 'ADDED' | 'MODIFIED' | 'DELETED' | 'RENAMED';
  readonly insertions: number;
  readonly deletions: number;
}

export interface PatchsetRecord {
  readonly number: number;
  readonly revision: string;
  readonly parents: readonly string[];
  readonly ref: string;
  readonly uploader: GerritAccount;
  readonly author: { readonly name: string; readonly email: string; readonly username?: string };
  /** Seconds since the epoch, like every time here. */
  readonly createdOn: number;
  readonly kind: string;
  readonly insertions: number;
  readonly deletions: number;
  /** Gerrit's own files first, such as /COMMIT_MSG. */
  readonly files: readonly FileRecord[];
  /** By label, then by username. */
  readonly votes: Map<string, Map<string, Vote>>;
}

export interface MessageRecord {
  readonly id: string;
  readonly at: number;
  readonly author: GerritAccount;
  readonly patchset: number;
  readonly text: string;
  readonly tag: string;
}

/** On a file, or on a patchset as a whole. */
export interface CommentRecord {
  readonly at: number;
  readonly author: GerritAccount;
  readonly patchset: number;
  readonly file: string;
  readonly text: string;
}

/** Gerrit's name for the file of a patchset-level comment, such as a reply on the web page. */
export const PATCHSET_LEVEL = '/PATCHSET_LEVEL';

export interface ChangeRecord {
  readonly number: number;
  readonly project: string;
  readonly branch: string;
  /** Change-Id. */
  readonly id: string;
  readonly owner: GerritAccount;
  readonly createdOn: number;
  readonly patchsets: PatchsetRecord[];
  readonly messages: MessageRecord[];
  /** In posting order. */
  readonly comments: CommentRecord[];
  commitMessage: string;
  lastUpdated: number;
  topic: string;
  hashtags: string[];
  status: 'NEW' | 'MERGED' | 'ABANDONED';
  wip: boolean;
  isPrivate: boolean;
  meta: string;
}

/** An event, ready to be written as one line. */
export type EventJson = { readonly type: string } & Readonly<Record<string, unknown>>;

type Listener = (event: EventJson, change: ChangeRecord | null) => void;

export class GerritState {
  readonly accounts = new Map<string, GerritAccount>();
  readonly projects = new Map<string, Repository>();
  readonly changes = new Map<number, ChangeRecord>();
  /** In Gerrit's display order. */
  readonly labels: readonly Label[];
  /** The canonical web URL, without a trailing slash. */
  url = 'http://127.0.0.1';
  /** event.comment-added.publishPatchSetLevelComment: events contain the text of patchset-level comments. */
  publishesPatchsetComments = true;
  readonly #listeners = new Set<Listener>();
  readonly #accountIds = new Map<string, number>();

  constructor(labels: readonly Label[]) {
    this.labels = labels;
  }

  /** Numbers from 1,000,000 on; stable for each name. */
  accountId(username: string): number {
    const id = this.#accountIds.get(username) ?? FIRST_ACCOUNT + this.#accountIds.size;
    this.#accountIds.set(username, id);
    return id;
  }

  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** `change` decides which accounts may see the event. */
  publish(event: EventJson, change: ChangeRecord | null): void {
    for (const listener of [...this.#listeners]) listener(event, change);
  }

  now(): number {
    return Math.floor(Date.now() / 1000);
  }

  changeById(project: string, branch: string, id: string): ChangeRecord | undefined {
    for (const change of this.changes.values()) {
      if (change.project === project && change.branch === branch && change.id === id) return change;
    }
    return undefined;
  }

  accountByEmail(email: string): GerritAccount | undefined {
    return [...this.accounts.values()].find((account) => account.email === email);
  }
}

/** Only the owner and administrators see a private change. */
export function canSee(account: GerritAccount, change: ChangeRecord): boolean {
  return !change.isPrivate || account.admin || account === change.owner;
}

export function currentPatchset(change: ChangeRecord): PatchsetRecord {
  const patchset = change.patchsets.at(-1);
  if (patchset === undefined) throw new Error(`change ${change.number} has no patchset`);
  return patchset;
}

export function changeRef(change: number, last: string | number): string {
  return `refs/changes/${String(change % 100).padStart(2, '0')}/${change}/${last}`;
}

/** Adds a message to the change, by a user or by Gerrit on a user's behalf. */
export function addMessage(change: ChangeRecord, message: Omit<MessageRecord, 'id'>): void {
  change.messages.push({ id: randomBytes(20).toString('hex'), ...message });
}

/** A revision for the next state of a change's notes; no object exists. */
export function newMetaRevision(): string {
  return randomBytes(20).toString('hex');
}
