/**
 * `node scripts/run.mjs bench/year.ts [DAYS] [JOBS_A_DAY] [KEEP_DAYS]`: the size of the database and its archive in a
 * simulated year, with the real store, the real machines and a simulated clock. KEEP_DAYS 0: nothing leaves.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ArchiveDirectory } from '../src/adapters/history-archive/files.ts';
import { openStore } from '../src/adapters/sqlite/store.ts';
import { verifyDatabase } from '../src/app/database-admin.ts';
import { type DispatchOptions, dispatch, type Submission } from '../src/engine/loop/dispatch.ts';
import { Archiving } from '../src/engine/operations/archiving.ts';
import type { IntakeUpdate, LogEntry, Store } from '../src/engine/ports/store.ts';
import { VOTING } from '../src/machines/system/voting.ts';
import type { SeenEvent } from '../src/machines/trigger/deduplication.ts';
import { FIRST_CHANGE, factsOf, recordJob } from './facts.ts';
import { SILENT, timerlessClock, withScratchDirectory } from './system.ts';

const DAY_MS = 86_400_000;
const MB = 1024 ** 2;
const BEGIN = Date.UTC(2027, 0, 1);
/** Gerrit's events about changes that start nothing. */
const EVENTS_A_DAY = 2_000;
const SEEN_KEPT_DAYS = 7;
/** A change is merged this long after its only job. */
const OPEN_DAYS = 5;

const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
const [days = 365, jobsADay = 200, keepDays = 90] = process.argv.slice(2).map(Number);

class Lab {
  now = BEGIN;
  readonly #store: Store;
  readonly #directory: string;
  readonly #archiving: Archiving;
  readonly #dispatching: DispatchOptions;
  #longestMs = 0;

  constructor(store: Store, directory: string) {
    this.#store = store;
    this.#directory = directory;
    this.#dispatching = {
      hash: sha256,
      now: () => this.now,
      stored: (history) => store.stored(history),
      wasRequested: (history, key) => store.wasRequested(history, key),
      strict: false,
    };
    this.#archiving = new Archiving({
      store,
      engine: { submit: (submissions) => this.#archived(submissions), ending: false },
      archive: new ArchiveDirectory(join(directory, 'archive')),
      closedAmong: async (changes) => changes.filter((change) => this.#isMerged(change)),
      clock: { ...timerlessClock, now: () => this.now },
      hash: sha256,
      log: SILENT,
      keepMs: keepDays * DAY_MS,
      maxBytes: 2 * 1024 * MB,
    });
  }

  open(): Promise<void> {
    const event = { type: 'voting.opened' } as const;
    return this.run([{ history: VOTING, startsOn: 'voting@1', event, settles: null, causationId: null }]);
  }

  run(submissions: readonly Submission[], noted: readonly IntakeUpdate[] = []): Promise<void> {
    const batch: LogEntry[] = [];
    for (const submission of submissions) dispatch(batch, submission, this.#dispatching);
    return this.#store.append(batch, noted);
  }

  async endDay(day: number): Promise<void> {
    const first = this.#store.lastSeen() + 1;
    const seen = Array.from({ length: EVENTS_A_DAY }, (_, index): SeenEvent => {
      const number = first + index;
      const about = { change: 1_000_000 + number, patchset: 1, account: 'alice', text: 'x'.repeat(64) };
      return { number, kind: 'comment', ...about, at: this.now, streamed: true, hidden: false };
    });
    await this.run([], [{ seen, streamed: [], shown: [], intake: null }]);
    this.now = BEGIN + day * DAY_MS;
    while (this.#store.pruneSeen(this.now - SEEN_KEPT_DAYS * DAY_MS, 1_000) > 0);
    if (keepDays > 0) await this.#archiving.run(new AbortController().signal);
  }

  line(day: number): string {
    const files = keepDays === 0 ? [] : filesIn(join(this.#directory, 'archive'));
    const bytes = files.reduce((sum, size) => sum + size, 0);
    const cells = [
      day,
      day * jobsADay,
      this.#store.length(),
      mb(statSync(join(this.#directory, 'sos-ci.db')).size),
    ];
    return `| ${[...cells, files.length, mb(bytes), this.#longestMs.toFixed(0)].join(' | ')} |`;
  }

  #isMerged(change: number): boolean {
    const day = Math.floor((change - FIRST_CHANGE) / jobsADay);
    return this.now >= BEGIN + (day + OPEN_DAYS) * DAY_MS;
  }

  async #archived(submissions: readonly Submission[]): Promise<void> {
    const begun = performance.now();
    await this.run(submissions);
    this.#longestMs = Math.max(this.#longestMs, performance.now() - begun);
  }
}

function filesIn(directory: string): readonly number[] {
  try {
    return readdirSync(directory).map((name) => statSync(join(directory, name)).size);
  } catch {
    return [];
  }
}

function mb(bytes: number): string {
  return (bytes / MB).toFixed(1);
}

await withScratchDirectory(async (directory) => {
  const store = openStore(join(directory, 'sos-ci.db'));
  const lab = new Lab(store, directory);
  await lab.open();
  const recorded = await recordJob();
  console.log('| day | jobs | rows | database MB | archive files | archive MB | longest transaction ms |');
  for (let day = 1; day <= days; day += 1) {
    for (let job = 0; job < jobsADay; job += 1)
      await lab.run(factsOf(recorded).flatMap((fact) => fact.submissions));
    await lab.endDay(day);
    if (day % 30 === 0 || day === days) console.log(lab.line(day));
  }
  store.close();
  const { rows, differences, views, schema } = await verifyDatabase(directory);
  console.log(`verify: ${rows} rows, ${differences.length + views.length + schema.length} faults`);
});
