/**
 * Bundles: histories with what belongs to them, in one file for people who have no access to the database. The lines are
 * those of an archive file between a head and an end: the head names the histories with their last hashes, the end has
 * the SHA-256 of all lines before it. Neither protects against someone who computes both again.
 */
import { createHash } from 'node:crypto';
import type { NumberedRow } from '../../engine/ports/store.ts';

export const BUNDLE_FORMAT = 'sos-ci bundle 1';

/** The end of the output of one stage. */
export interface BundledLog {
  readonly job: string;
  readonly attempt: number;
  readonly stage: string;
  readonly text: string;
  /** False: the output is longer. */
  readonly isWhole: boolean;
}

export interface Bundle {
  /** The version of sos-ci that wrote it. */
  readonly version: string;
  /** Epoch ms. */
  readonly at: number;
  /** The rows of each history, the one that was asked for first. */
  readonly histories: readonly (readonly NumberedRow[])[];
  /** The names of those whose texts were redacted. */
  readonly redacted: readonly string[];
  /** The configuration file. */
  readonly configuration: string;
  readonly logs: readonly BundledLog[];
}

interface HistoryEntry {
  readonly history: string;
  readonly machine: string;
  readonly rows: number;
  /** The hash of the last row. */
  readonly head: string;
}

export function bundleText({ version, at, histories, redacted, configuration, logs }: Bundle): string {
  const entries = histories.flatMap((rows): readonly HistoryEntry[] => {
    const last = rows.at(-1);
    if (last === undefined) return [];
    return [{ history: last.history, machine: last.machine, rows: rows.length, head: last.hash }];
  });
  const head = { format: BUNDLE_FORMAT, version, at, histories: entries, redacted };
  const lines = [head, ...histories.flat(), { configuration }, ...logs.map((log) => ({ log }))];
  const text = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  const sha256 = createHash('sha256').update(text).digest('hex');
  return `${text}${JSON.stringify({ sha256 })}\n`;
}

/** Checks the lines of a bundle as they are read. */
export class BundleCheck {
  /** As the first line lists them; anything. */
  readonly #entries: readonly unknown[];
  readonly #hash = createHash('sha256');
  readonly #seen = new Map<string, { rows: number; head: string }>();
  #ended = false;

  /** @param head the parsed first line */
  constructor(line: string, head: object) {
    this.#entries = 'histories' in head && Array.isArray(head.histories) ? head.histories : [];
    this.#hash.update(`${line}\n`);
  }

  /** Takes the next line. Returns a problem, or '' for none. */
  take(line: string, value: object): string {
    if (this.#ended) return 'something follows its end';
    if ('sha256' in value) {
      this.#ended = true;
      return value.sha256 === this.#hash.digest('hex') ? '' : 'its checksum is wrong: it was altered';
    }
    this.#hash.update(`${line}\n`);
    if ('history' in value && 'hash' in value) {
      const { rows = 0 } = this.#seen.get(String(value.history)) ?? {};
      this.#seen.set(String(value.history), { rows: rows + 1, head: String(value.hash) });
    }
    return '';
  }

  /** Called after the last line. Returns a problem, or '' for none. */
  finish(): string {
    if (!this.#ended) return 'its end is missing: it was cut off';
    const isComplete = this.#entries.every((entry) => {
      const { history, rows, head } = (entry ?? {}) as Partial<HistoryEntry>;
      const seen = this.#seen.get(history ?? '');
      return seen !== undefined && seen.rows === rows && seen.head === head;
    });
    const isExact = isComplete && this.#seen.size === this.#entries.length;
    return isExact ? '' : 'its rows are not those that its first line lists: it was altered';
  }
}
