/**
 * Moves old closed histories from the database to archive files, once a day, in batches. A file is durable before the
 * transaction in which its rows leave. After a crash in between, the next run writes the file again.
 *
 * A review leaves with its jobs and their publications, and the verdicts of a change leave when Gerrit says that the
 * change is closed. A history that never ends, or that is still needed, is continued by a row that repeats its state;
 * once that row is old, the rows before it leave.
 */
import { errorText, OperationError } from '../../errors.ts';
import type { Log } from '../../log.ts';
import { continuedEvent } from '../../machines/continued.ts';
import { openHolds } from '../../machines/hold/open-holds.ts';
import { lastCleanings } from '../../machines/janitor/cleanings.ts';
import { publicationOf } from '../../machines/job/publication.ts';
import type { Hash, HistorySnapshot } from '../../machines/protocol/row.ts';
import { replayHistory } from '../../machines/replay.ts';
import { ARCHIVE, archiveStatus } from '../../machines/system/archive.ts';
import { rangesOf } from '../../machines/system/ranges.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import { submissionFor } from '../loop/dispatch.ts';
import type { Engine } from '../loop/engine.ts';
import type { Clock } from '../ports/adapters.ts';
import type { ArchiveEntry, HistoryArchive } from '../ports/history-archive.ts';
import { type NumberedRow, type Store, VersionConflict } from '../ports/store.ts';

/** Rows of one file and of one transaction, which delays appends. */
const BATCH_ROWS = 5_000;
/** Rows that are examined without a pause. */
const PAGE_ROWS = 500;
/** Rows after which a history that does not leave is continued. */
const CONTINUED_AFTER_ROWS = 100;
/** Limit on the files that the newest row accounts for. */
const MAX_FILES = 4_000;
/** Changes that Gerrit is asked about in one run, and at once. Their whole history is the answer. */
const MAX_ASKED = 2_000;
const ASKED_AT_ONCE = 50;
const DAY_MS = 24 * 3_600_000;

export interface ArchivingOptions {
  readonly engine: Pick<Engine, 'submit' | 'ending'>;
  readonly store: Pick<
    Store,
    | 'rowTimes'
    | 'rows'
    | 'stored'
    | 'outbox'
    | 'openHistories'
    | 'newestHistories'
    | 'job'
    | 'jobs'
    | 'reviews'
  >;
  /** Asks Gerrit which of these changes are closed. @throws OperationError */
  readonly closedAmong: (changes: readonly number[], signal: AbortSignal) => Promise<readonly number[]>;
  readonly archive: HistoryArchive;
  readonly clock: Clock;
  readonly hash: Hash;
  readonly log: Log;
  /** A history that was closed longer ago leaves. */
  readonly keepMs: number;
  /** Of all files; the oldest are removed. */
  readonly maxBytes: number;
}

/** The verdicts of a change that has had no work for a long time. */
interface IdleVerdicts {
  readonly history: string;
  readonly change: number;
}

/** Rows that leave together. */
interface Leaving {
  readonly entries: readonly ArchiveEntry[];
  readonly rows: readonly NumberedRow[];
  /** Whole histories, which must not change meanwhile. */
  readonly unchanged: readonly HistorySnapshot[];
}

export class Archiving {
  readonly #options: ArchivingOptions;

  constructor(options: ArchivingOptions) {
    this.#options = options;
  }

  /** Resolves when nothing old is left, or when the signal aborts. @throws OperationError */
  async run(signal: AbortSignal): Promise<void> {
    await this.#removeUnaccounted();
    const idle: IdleVerdicts[] = [];
    if (await this.#archiveAll(this.#oldHistories(idle, signal), signal))
      await this.#archiveAll(this.#closedVerdicts(idle, signal), signal);
  }

  /** False: the rest stays until the next run. */
  async #archiveAll(old: AsyncIterable<Leaving>, signal: AbortSignal): Promise<boolean> {
    let batch: Leaving[] = [];
    let rows = 0;
    for await (const leaving of old) {
      batch.push(leaving);
      rows += leaving.rows.length;
      if (rows < BATCH_ROWS) continue;
      if (!(await this.#archive(batch))) return false;
      batch = [];
      rows = 0;
    }
    if (signal.aborted) return false;
    return batch.length === 0 || this.#archive(batch);
  }

  /** Files that a crash left behind. */
  async #removeUnaccounted(): Promise<void> {
    const { archive, store } = this.#options;
    const { files = [], count = 0 } = archiveStatus(store.stored(ARCHIVE)) ?? {};
    for (const number of await archive.numbers())
      if (number <= count && !files.some((file) => file.number === number)) await archive.remove(number);
  }

  /** @param idle receives the verdicts that leave if their change is closed */
  async *#oldHistories(idle: IdleVerdicts[], signal: AbortSignal): AsyncIterable<Leaving> {
    const { store } = this.#options;
    const before = this.#before;
    const examined = new Set<string>();
    for (let after = 0; ; ) {
      const page = store.rowTimes(after, PAGE_ROWS);
      const old = page.filter(({ at }) => at < before);
      for (const { history } of old) {
        if (examined.has(history)) continue;
        const group = this.#groupOf(history);
        for (const member of group) examined.add(member.history);
        examined.add(history);
        idle.push(...group.flatMap((stored) => this.#idleVerdicts(stored, before)));
        const leaving = await this.#leavingOf(group, before);
        if (signal.aborted) return;
        if (leaving !== null) yield leaving;
        await pause();
      }
      after = page.at(-1)?.seq ?? 0;
      if (old.length === 0) return;
    }
  }

  /** The verdicts of closed changes. If there are too many to ask about, each day asks about the next ones. */
  async *#closedVerdicts(idle: readonly IdleVerdicts[], signal: AbortSignal): AsyncIterable<Leaving> {
    const { store, clock, closedAmong } = this.#options;
    const first = (Math.floor(clock.now() / DAY_MS) * MAX_ASKED) % Math.max(idle.length, 1);
    const asked = [...idle.slice(first), ...idle.slice(0, first)].slice(0, MAX_ASKED);
    for (let from = 0; from < asked.length; from += ASKED_AT_ONCE) {
      const some = asked.slice(from, from + ASKED_AT_ONCE);
      const closed = await closedAmong(
        some.map(({ change }) => change),
        signal,
      );
      for (const { history, change } of some) {
        const stored = closed.includes(change) ? store.stored(history) : null;
        if (stored === null || this.#idleVerdicts(stored, this.#before).length === 0) continue;
        const leaving = await this.#whole([stored]);
        if (signal.aborted) return;
        if (leaving !== null) yield leaving;
      }
    }
  }

  get #before(): number {
    const { clock, keepMs } = this.#options;
    return clock.now() - keepMs;
  }

  /** Empty for all other histories. Open work of the change may still report a verdict. */
  #idleVerdicts(stored: HistorySnapshot, before: number): readonly IdleVerdicts[] {
    const { store } = this.#options;
    const change = versionOf(stored).changeOf(stored)?.change;
    if (change === undefined || !this.#isOld(stored, before)) return [];
    const open = { open: true, change, limit: 1 };
    if (store.reviews(open).length + store.jobs(open).length > 0) return [];
    return [{ history: stored.history, change }];
  }

  /** The histories that leave together. */
  #groupOf(history: string): readonly HistorySnapshot[] {
    const { store } = this.#options;
    const stored = store.stored(history);
    if (stored === null) return [];
    const review = store.stored(versionOf(stored).reviewOf(stored) ?? history);
    if (review === null) return [stored];
    const jobs = versionOf(review).summarizeReview(review)?.jobs ?? [];
    const others = jobs.flatMap((job) => [job, publicationOf(job)]);
    return [review, ...others.flatMap((name) => store.stored(name) ?? [])];
  }

  async #leavingOf(group: readonly HistorySnapshot[], before: number): Promise<Leaving | null> {
    if (group.every((stored) => this.#mayLeave(stored, before))) return this.#whole(group);
    const [only] = group;
    return group.length === 1 && only !== undefined ? this.#firstRows(only, before) : null;
  }

  #mayLeave(stored: HistorySnapshot, before: number): boolean {
    const { store } = this.#options;
    const { history } = stored;
    if (!this.#isOld(stored, before) || versionOf(stored).changeOf(stored) !== null) return false;
    // The next start of a janitor follows from its newest cleaning.
    if ([...lastCleanings(store).values()].some(({ cleaning }) => cleaning === history)) return false;
    return !openHolds(store).some(({ held }) => held?.job === history);
  }

  #isOld({ history, ended, at }: HistorySnapshot, before: number): boolean {
    return ended && at < before && this.#options.store.outbox(history).length === 0;
  }

  async #whole(group: readonly HistorySnapshot[]): Promise<Leaving | null> {
    const parts: Leaving[] = [];
    for (const stored of group) {
      const rows = this.#options.store.rows(stored.history);
      const [first] = rows;
      if (first === undefined || !this.#isSound(rows, stored)) return null;
      const { history, version: last, hash: head } = stored;
      const entry = { history, first: first.version, last, head, whole: true, title: this.#titleOf(history) };
      parts.push({ entries: [entry], rows, unchanged: [stored] });
      await pause();
    }
    return joined(parts);
  }

  /** What leaves is verified first: damage stays where `verify` finds it. */
  #isSound(
    rows: readonly NumberedRow[],
    { history, hash: head }: Pick<HistorySnapshot, 'history' | 'hash'>,
  ): boolean {
    const { difference, stored } = replayHistory(rows, this.#options.hash);
    if (difference === null && stored?.hash === head) return true;
    this.#options.log.error(
      { history, hint: 'run sos-ci verify' },
      'a history is damaged and is not archived',
    );
    return false;
  }

  #titleOf(history: string): string {
    const job = this.#options.store.job(history);
    return job === null ? '' : `${job.name} ${job.change},${job.patchset} ${job.verdict ?? ''}`.trim();
  }

  /** The rows before an old row that continues the history; null: there are none. */
  async #firstRows(stored: HistorySnapshot, before: number): Promise<Leaving | null> {
    const rows = this.#options.store.rows(stored.history);
    const index = rows.findLastIndex((row) => isContinued(row) && row.at < before);
    const newer = rows.length - 1 - rows.findLastIndex(isContinued);
    if (newer >= CONTINUED_AFTER_ROWS) await this.#continue(stored);
    const leaving = rows.slice(0, Math.max(index, 0));
    const [first, last] = [leaving[0], leaving.at(-1)];
    if (first === undefined || last === undefined || !this.#isSound(leaving, last)) return null;
    const { history, version, hash: head } = last;
    const entry = { history, first: first.version, last: version, head, whole: false, title: '' };
    return { entries: [entry], rows: leaving, unchanged: [] };
  }

  async #continue(stored: HistorySnapshot): Promise<void> {
    if (Object.keys(stored.pending).length > 0) return;
    await this.#submit({
      ...submissionFor(stored.history, continuedEvent(stored)),
      unchanged: [stored],
    });
  }

  /** False: something changed meanwhile, and the next run tries again. */
  async #archive(batch: readonly Leaving[]): Promise<boolean> {
    const { archive, clock, store, log, maxBytes } = this.#options;
    const { entries, rows, unchanged } = joined(batch);
    const { files = [], count = 0 } = archiveStatus(store.stored(ARCHIVE)) ?? {};
    const sorted = [...rows].sort((one, other) => one.seq - other.seq);
    const file = await archive.write({ number: count + 1, at: clock.now(), histories: entries }, sorted);
    const removed = surplus([...files, file], maxBytes);
    const histories = entries.map(({ title: _, ...history }) => history);
    const seqs = rangesOf(sorted.map(({ seq }) => seq));
    const done = await this.#submit({
      ...submissionFor(ARCHIVE, { type: 'histories.archived', file, histories, seqs, removed }),
      startsOn: newest.archive,
      unchanged,
    });
    if (!done) return false;
    for (const number of removed) await archive.remove(number);
    log.info({ file: file.number, histories: histories.length, rows: rows.length }, 'archived old histories');
    return true;
  }

  async #submit(submission: Parameters<Engine['submit']>[0][number]): Promise<boolean> {
    const { engine } = this.#options;
    try {
      await engine.submit([submission]);
      return true;
    } catch (thrown) {
      if (thrown instanceof VersionConflict || engine.ending) return false;
      throw thrown;
    }
  }
}

/** Logs what an operator can correct; the next run tries again. */
export async function runArchiving(
  archiving: Pick<Archiving, 'run'>,
  signal: AbortSignal,
  log: Log,
  hide: (text: string) => string,
): Promise<void> {
  try {
    await archiving.run(signal);
  } catch (thrown) {
    if (!(thrown instanceof OperationError)) throw thrown;
    if (!signal.aborted) log.warn({ hint: thrown.hint }, `archive of histories: ${hide(errorText(thrown))}`);
  }
}

function isContinued({ type, outcome }: NumberedRow): boolean {
  return type === 'history.continued' && outcome === 'moved';
}

function joined(parts: readonly Leaving[]): Leaving {
  return {
    entries: parts.flatMap(({ entries }) => entries),
    rows: parts.flatMap(({ rows }) => rows),
    unchanged: parts.flatMap(({ unchanged }) => unchanged),
  };
}

/** The numbers of the oldest files over the limits. The newest file stays, however large it is. */
function surplus(
  files: readonly { readonly number: number; readonly bytes: number }[],
  maxBytes: number,
): readonly number[] {
  let bytes = 0;
  const newestFirst = files.toReversed();
  return newestFirst
    .filter((file, index) => {
      bytes += file.bytes;
      return index > 0 && (bytes > maxBytes || index >= MAX_FILES);
    })
    .map(({ number }) => number)
    .reverse();
}

function pause(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
