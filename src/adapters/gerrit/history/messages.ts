/**
 * Reconstructs events from the messages of a change. Over SSH, messages have neither type nor tag, so this parses the
 * sentences that real Gerrit servers write. User text always follows a header that only Gerrit can write.
 */
import type { Account, Approval } from '../../../machines/model/gerrit-event.ts';

export interface Message {
  /** Epoch ms. */
  readonly at: number;
  readonly by: Account;
  readonly text: string;
  /** '' where the transport does not return it. */
  readonly id: string;
  readonly tag: string;
}

/** A message that also appears in the stream. */
export interface MessageEntry {
  readonly kind: 'comment' | 'restored';
  readonly message: Message;
  readonly patchset: number;
  /** The text as the stream sends it. */
  readonly text: string;
  readonly approvals: readonly Approval[];
  /** The message must not trigger anything: it was posted while the change was abandoned or not visible to us. */
  readonly moot: boolean;
}

export interface ReadMessages {
  readonly entries: readonly MessageEntry[];
  /** The newest message that made the change ready or public; null for none. */
  readonly ready: Message | null;
  /** The newest message that closed the change; null for none. */
  readonly closed: Message | null;
}

export function readMessages(messages: readonly Message[]): ReadMessages {
  const reader = new MessageReader();
  for (const message of messages) reader.read(message);
  return reader;
}

/**
 * `Patch Set 3: Verified+1 -Code-Review`: only votes follow the colon of a comment header. Other text is a Gerrit
 * message.
 */
const HEADER = /^Patch Set (\d{1,9}):(.*)$/u;
/** A push with votes, which the stream sends as a comment without text. */
const UPLOAD_WITH_VOTES = /^Uploaded patch set (\d{1,9}): (.*)\.$/u;
/** Messages that report an uploaded patchset. */
const UPLOAD =
  /^(?:Uploaded patch set \d|Patch Set \d+: (?:Published edit|Patch Set \d+ was rebased|Commit message was updated|Cherry Picked))/u;
const COPIED_VOTES = /^Copied Votes:\n((?:\*.*\n?)+)/mu;
/** `Removed Verified+1 by NAME`, or with a removed reviewer a list of `* Verified+1 by NAME`. */
const REMOVED_VOTE = /^(?:Removed| ?\*) ([A-Za-z][\w-]*?)([+-]\d{1,4}) by /gmu;
const VOTE = /^(?:-([A-Za-z][\w-]*)|([A-Za-z][\w-]*?)([+-]\d{1,4}))$/u;

class MessageReader implements ReadMessages {
  entries: MessageEntry[] = [];
  ready: Message | null = null;
  closed: Message | null = null;
  /** Current votes by account and label, as derived from the messages. */
  #votes = new Map<string, Map<string, number>>();
  /** Index of the first message since the change was abandoned; null while it is not. */
  #abandonedFrom: number | null = null;

  read(message: Message): void {
    const { text } = message;
    const [head = ''] = text.split('\n', 1);
    const comment = HEADER.exec(head);
    const newVotes = comment === null ? null : votesIn(comment[2] ?? '');
    if (comment !== null && newVotes !== null) {
      this.#addComment(message, Number(comment[1]), text, this.#recordVotes(message.by, newVotes));
      return;
    }
    if (UPLOAD.test(head)) this.#uploaded(message, head);
    else if (startsWith(text, 'Removed')) this.#removeVotes(text);
    else if (startsWith(text, 'Abandoned')) {
      this.closed = message;
      this.#abandonedFrom = this.entries.length;
    } else if (startsWith(text, 'Restored')) this.#restored(message);
    else if (startsWith(text, 'Set Ready For Review')) this.ready = message;
    else if (startsWith(text, 'Unset private')) {
      this.ready = message;
      this.#mootFrom(0);
    } else if (startsWith(text, 'Change has been successfully')) this.closed = message;
  }

  #addComment(message: Message, patchset: number, text: string, approvals: readonly Approval[]): void {
    this.entries.push({ kind: 'comment', message, patchset, text, approvals, moot: false });
  }

  #restored(message: Message): void {
    if (this.#abandonedFrom !== null) this.#mootFrom(this.#abandonedFrom);
    this.#abandonedFrom = null;
    this.entries.push({ kind: 'restored', message, patchset: 0, text: '', approvals: [], moot: false });
  }

  #mootFrom(index: number): void {
    this.entries = this.entries.map((entry, position) =>
      position < index ? entry : { ...entry, moot: true },
    );
  }

  /** Votes stay on the old patchset, except those that Gerrit lists as copied. */
  #uploaded(message: Message, head: string): void {
    const copied = COPIED_VOTES.exec(message.text)?.[1] ?? '';
    for (const votes of this.#votes.values()) {
      for (const [label, value] of votes) {
        if (!copied.includes(`* ${label}${signed(value)}`)) votes.delete(label);
      }
    }
    const pushed = UPLOAD_WITH_VOTES.exec(head);
    const newVotes = pushed === null ? null : votesIn(pushed[2] ?? '');
    if (pushed !== null && newVotes !== null)
      this.#addComment(message, Number(pushed[1]), '', this.#recordVotes(message.by, newVotes));
  }

  /** The name after `by` does not identify an account, so all equal votes on the label count as removed. */
  #removeVotes(text: string): void {
    for (const [, label = '', value] of text.matchAll(REMOVED_VOTE)) {
      for (const votes of this.#votes.values()) {
        if (votes.get(label) === Number(value)) votes.delete(label);
      }
    }
  }

  /** A header contains only the new votes. The old values come from earlier messages. */
  #recordVotes(
    by: Account,
    newVotes: readonly { readonly label: string; readonly value: number }[],
  ): readonly Approval[] {
    const key = by.username || by.email || by.name;
    const votes = this.#votes.get(key) ?? new Map<string, number>();
    this.#votes.set(key, votes);
    return newVotes.map(({ label, value }) => {
      const oldValue = votes.get(label) ?? 0;
      votes.set(label, value);
      // A removed vote that no earlier message shows: its old value was not 0.
      return { label, value, oldValue: value === 0 && oldValue === 0 ? 1 : oldValue };
    });
  }
}

/** Null when the text contains anything but votes. */
function votesIn(text: string): readonly { readonly label: string; readonly value: number }[] | null {
  const votes = [];
  for (const word of text.split(/[\s,]+/u)) {
    if (word === '') continue;
    const [, removed, label, value] = VOTE.exec(word) ?? [];
    if (removed !== undefined) votes.push({ label: removed, value: 0 });
    else if (label !== undefined) votes.push({ label, value: Number(value) });
    else return null;
  }
  return votes;
}

function startsWith(text: string, sentence: string): boolean {
  return text.startsWith(sentence) && /^(?:$|[\s,])/u.test(text.slice(sentence.length));
}

function signed(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}
