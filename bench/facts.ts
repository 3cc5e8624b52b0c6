/**
 * Records the events of a whole job by running one in memory. With new ids they can be submitted again, one fact at a
 * time, to an engine whose adapters never answer.
 */
import { systemClock } from '../src/adapters/clock/system.ts';
import { openStore } from '../src/adapters/sqlite/store.ts';
import type { Submission } from '../src/engine/loop/dispatch.ts';
import type { NumberedRow } from '../src/engine/ports/store.ts';
import type { GerritEvent } from '../src/machines/model/gerrit-event.ts';
import type { AnyEvent } from '../src/machines/protocol/events.ts';
import { PATCHSET } from '../test/machines/facts.ts';
import { instantAdapters } from './adapters.ts';
import { type BenchSystem, createSystem, newId } from './system.ts';

/** The change of the recorded job. No other number in its rows is this one. */
const CHANGE = 7_654_321;
let lastChange = CHANGE;
/** The change of the first job that `factsOf` makes; each has the next one. */
export const FIRST_CHANGE = CHANGE + 1;

/** Submissions that are made together, and the rows that they become, as JSON. */
export interface Fact {
  readonly submissions: readonly Submission[];
  readonly rows: readonly string[];
}

/** Rows of the review and the job, in the order of the log. */
export async function recordJob(): Promise<readonly NumberedRow[]> {
  const store = openStore(':memory:');
  try {
    let appended = () => {};
    const system = createSystem(store, instantAdapters({ slots: 1, stagesEnd: true }), systemClock, () =>
      appended(),
    );
    await wholeJob(system, CHANGE, (listener) => {
      appended = listener;
    });
    return [...store.log()];
  } finally {
    store.close();
  }
}

/** Admits a patchset and resolves when its job and its review have ended. */
export async function wholeJob(
  { admission, engine }: BenchSystem,
  change: number,
  setListener: (listener: () => void) => void,
): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    setListener(() => {
      if (engine.histories.size === 0) resolve();
    });
  });
  await admission.admit(patchsetCreated(change));
  await ended;
}

/** The facts of another job of the same kind. */
export function factsOf(rows: readonly NumberedRow[]): readonly Fact[] {
  const opened = rows[0];
  const accepted = rows.find(({ type }) => type === 'job.accepted');
  if (opened === undefined || accepted === undefined) throw new Error('no job was recorded');
  const now = Date.now();
  const text = JSON.stringify(rows)
    .replaceAll(opened.history, newId('r', now))
    .replaceAll(accepted.history, newId('j', now))
    .replaceAll(String(opened.data.trigger), newId('r', now))
    // Each change has a history of its verdicts.
    .replaceAll(`"change":${CHANGE},`, `"change":${++lastChange},`)
    .replaceAll(`~${CHANGE}"`, `~${lastChange}"`);
  const facts: { submissions: Submission[]; rows: string[] }[] = [];
  for (const row of JSON.parse(text) as NumberedRow[]) {
    const newest = facts.at(-1);
    // A job is accepted together with its review; messages between histories follow automatically.
    if (newest !== undefined && row.causationId !== null) {
      newest.rows.push(JSON.stringify(row));
      if (row.type === 'job.accepted' || row.type === 'runs.admitted')
        newest.submissions.push(submissionOf(row));
    } else facts.push({ submissions: [submissionOf(row)], rows: [JSON.stringify(row)] });
  }
  return facts;
}

export function eventOf(row: NumberedRow): AnyEvent {
  return { ...row.data, type: row.type } as unknown as AnyEvent;
}

function submissionOf(row: NumberedRow): Submission {
  const { history, machine: startsOn, settles, causationId: cause } = row;
  return { history, startsOn, event: eventOf(row), settles, causationId: cause };
}

function patchsetCreated(change: number): GerritEvent {
  return {
    type: 'patchset-created',
    at: Date.now(),
    kind: 'REWORK',
    patchset: { ...PATCHSET, change },
    wip: false,
    private: false,
    by: { username: 'alice', name: 'Alice', email: 'alice@example.org' },
  };
}
