/**
 * Removes secrets from a byte stream. Guarantees: every byte that belongs to any occurrence of any form of any secret
 * is removed, overlapping ones too, and each unbroken run of such bytes becomes one mark; the result does not depend on
 * chunk boundaries; at most one secret's length is held back, whatever the stream's length. Bytes are not decoded, so
 * binary files are unchanged except for the secrets in them.
 */
import type { SecretValues } from '../../../log.ts';
import { secretsIn } from './found-secrets.ts';
import { secretForms } from './secret-encodings.ts';

/** The mark that replaces a secret. */
export const REDACTED = '[redacted]';

const MARK = Buffer.from(REDACTED, 'utf8');
/**
 * The size of the filter that rejects most positions, in bits of its index; a larger one would not fit in the CPU's L1
 * cache.
 */
const FILTER_BITS = 15;

/** The forms of all secrets, indexed for searching. Shared by all streams. */
export class SecretSet {
  /** Length of the longest form in bytes; 0 when there are no secrets. */
  readonly longest: number;
  readonly #filter = new Uint8Array(1 << FILTER_BITS);
  /** Forms by their first four bytes, the longest first. */
  readonly #forms = new Map<number, Buffer[]>();

  readonly #secrets: readonly string[];

  constructor(secrets: readonly string[]) {
    this.#secrets = secrets;
    const forms = secretForms(secrets);
    this.longest = forms[0]?.length ?? 0;
    for (const form of forms) {
      const head = form.readInt32LE(0);
      this.#filter[hash(head)] = 1;
      const same = this.#forms.get(head);
      if (same === undefined) this.#forms.set(head, [form]);
      else same.push(form);
    }
  }

  /** These secrets and more. */
  with(more: Iterable<string>): SecretSet {
    const added = [...more];
    return added.length === 0 ? this : new SecretSet([...this.#secrets, ...added]);
  }

  get empty(): boolean {
    return this.longest === 0;
  }

  /** The first position in [from, to) at which a form begins; -1 for none. */
  next(bytes: Buffer, from: number, to: number): number {
    const filter = this.#filter;
    const last = Math.min(to, bytes.length - 3);
    if (from >= last) return -1;
    let head = ((bytes[from] ?? 0) << 8) | ((bytes[from + 1] ?? 0) << 16) | ((bytes[from + 2] ?? 0) << 24);
    for (let at = from; at < last; at++) {
      head = (head >>> 8) | ((bytes[at + 3] as number) << 24);
      if (filter[hash(head)] === 1 && this.lengthAt(bytes, at) > 0) return at;
    }
    return -1;
  }

  /** Length of the longest form that begins at `at`, in bytes; 0 for none. */
  lengthAt(bytes: Buffer, at: number): number {
    if (at + 4 > bytes.length) return 0;
    for (const form of this.#forms.get(bytes.readInt32LE(at)) ?? []) {
      if (bytes.compare(form, 0, form.length, at, Math.min(at + form.length, bytes.length)) === 0) {
        return form.length;
      }
    }
    return 0;
  }

  /** Redacts a short text. */
  text(text: string): string {
    if (this.empty) return text;
    const redactor = new Redactor(this);
    return Buffer.concat([redactor.push(Buffer.from(text, 'utf8')), redactor.end()]).toString('utf8');
  }
}

/** Returns the current secrets; the index is rebuilt only when they change. */
export function current(secrets: SecretValues): () => SecretSet {
  let known = secrets.values;
  let set = new SecretSet(known);
  return () => {
    if (secrets.values !== known) {
      known = secrets.values;
      set = new SecretSet(known);
    }
    return set;
  };
}

/**
 * Removes these secrets, in all the forms that evidence is searched for, and those that nobody named, from short texts.
 */
export function hider(secrets: SecretValues): (text: string) => string {
  const set = current(secrets);
  return (text) => set().with(secretsIn(text)).text(text);
}

/** Redacts one stream. */
export class Redactor {
  readonly #secrets: SecretSet;
  /** Undecided bytes: a form that begins in them may end in the next chunk. */
  #held: Buffer = Buffer.alloc(0);
  /** The end in `#held` of the last marked run; -1 outside of a run. */
  #covered = -1;

  constructor(secrets: SecretSet) {
    this.#secrets = secrets;
  }

  /** Accepts the next chunk and returns the decided bytes. */
  push(chunk: Buffer): Buffer {
    if (this.#secrets.empty) return chunk;
    const bytes = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const decided = Math.max(0, bytes.length - this.#secrets.longest + 1);
    const out = this.#redact(bytes, decided);
    this.#held = Buffer.from(bytes.subarray(decided));
    return out;
  }

  /**
   * Returns the rest when the stream is complete. Do not call it for a truncated stream: the rest may contain half a
   * secret.
   */
  end(): Buffer {
    const out = this.#redact(this.#held, this.#held.length);
    this.#held = Buffer.alloc(0);
    this.#covered = -1;
    return out;
  }

  /** Redacts everything before `decided`. Afterwards the state applies to the bytes from `decided` on. */
  #redact(bytes: Buffer, decided: number): Buffer {
    const pieces: Buffer[] = [];
    let at = 0;
    while (at < decided) {
      if (at <= this.#covered) {
        // Inside a run, or directly after it: a form that begins here extends the run.
        this.#covered = Math.max(this.#covered, at + this.#secrets.lengthAt(bytes, at));
        if (at < this.#covered) {
          at += 1;
          continue;
        }
        this.#covered = -1;
      }
      const match = this.#secrets.next(bytes, at, decided);
      pieces.push(bytes.subarray(at, match === -1 ? decided : match));
      if (match === -1) break;
      pieces.push(MARK);
      this.#covered = match + this.#secrets.lengthAt(bytes, match);
      at = match;
    }
    if (this.#covered !== -1) this.#covered -= decided;
    return Buffer.concat(pieces);
  }
}

function hash(head: number): number {
  return Math.imul(head, 0x9e3779b1) >>> (32 - FILTER_BITS);
}
