/**
 * The facts of a whole job, as the product itself records them: one job is run in memory, and its events are taken
 * from the log. With other names they can be told again, one submission at a time, to an engine whose world is silent.
 */
import { systemClock } from '../src/adapters/clock/system.ts';
import { openStore } from '../src/adapters/sqlite/store.ts';
import type { Submission } from '../src/engine/loop/dispatch.ts';
import type { NumberedRow } from '../src/engine/ports/store.ts';
import type { GerritEvent } from '../src/machines/model/gerrit-event.ts';
import type { AnyEvent } from '../src/machines/protocol/events.ts';
import { PATCHSET } from '../test/machines/facts.ts';
import { type House, house, newId } from './house.ts';
import { instantWorld } from './world.ts';

/** The change of the recorded job. No other number in its rows is this one. */
const CHANGE = 7_654_321;
let changes = CHANGE;

/** What is submitted together, and the rows that it becomes, as texts. */
export interface Fact {
  readonly submissions: readonly Submission[];
  readonly rows: readonly string[];
}

/** Rows of the review and the job, in the order of the log. */
export async function recordJob(): Promise<readonly NumberedRow[]> {
  const store = openStore(':memory:');
  try {
    let appended = () => {};
    const lab = house(store, instantWorld({ slots: 1, stagesEnd: true }), systemClock, () => appended());
    await wholeJob(lab, CHANGE, (appendedAt) => {
      appended = appendedAt;
    });
    return [...store.log()];
  } finally {
    store.close();
  }
}

/** Takes a patchset in and resolves when its job and its review have ended. */
export async function wholeJob(
  { admission, engine }: House,
  change: number,
  onAppended: (appendedAt: () => void) => void,
): Promise<void> {
  const ended = new Promise<void>((resolve) => {
    onAppended(() => {
      if (engine.histories.size === 0) resolve();
    });
  });
  await admission.take(created(change));
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
    .replaceAll(`"change":${CHANGE},`, `"change":${++changes},`)
    .replaceAll(`~${CHANGE}"`, `~${changes}"`);
  const facts: { submissions: Submission[]; rows: string[] }[] = [];
  for (const row of JSON.parse(text) as NumberedRow[]) {
    const newest = facts.at(-1);
    // A job is accepted together with its review; what one history tells the other follows by itself.
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

function created(change: number): GerritEvent {
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
