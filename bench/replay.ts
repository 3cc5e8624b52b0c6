/**
 * Measures strict replay of recorded jobs, which recomputes each row and compares it with the stored one, against
 * xstate's bare `transition()` over the same events, which compares nothing.
 */
import { type AnyStateMachine, initialTransition, transition } from 'xstate';
import { sha256 } from '../src/app/database-admin.ts';
import type { NumberedRow } from '../src/engine/ports/store.ts';
import type { LogRow } from '../src/machines/protocol/row.ts';
import { replayHistory } from '../src/machines/replay.ts';
import { versions } from '../src/machines/versions.ts';
import { eventOf, recordJob } from './facts.ts';
import { inTurns, median, pooled, processorTime, type Result, ratioOf } from './measure.ts';

export async function replay(smoke: boolean): Promise<readonly Result[]> {
  const log = await recordJob();
  const histories = [...new Set(log.map(({ history }) => history))].map((name) =>
    log.filter(({ history }) => history === name),
  );
  const [rounds, times] = smoke ? [2, 5] : [30, 20];
  const repeated = (work: (rows: readonly NumberedRow[]) => void) =>
    processorTime(() => {
      for (let time = 0; time < times; time += 1) histories.forEach(work);
    });
  const measured = await inTurns(rounds, {
    bare: () => repeated(transitionsOf),
    strict: () => repeated(replayed),
  });
  const perSecond = (side: string) =>
    Math.round((log.length * times * 1_000) / median(pooled(measured, side)));
  return [
    {
      benchmark: 'replay',
      what: 'strict replay, rows per second',
      against: 'bare transition() over the same events',
      ...ratioOf(measured, 'bare', 'strict'),
      note: `${perSecond('strict')} and ${perSecond('bare')} rows/s of CPU time`,
    },
  ];
}

function replayed(rows: readonly LogRow[]): void {
  const { difference } = replayHistory(rows, sha256);
  if (difference !== null) throw new Error(`${difference.history}/${difference.version} does not replay`);
}

function transitionsOf(rows: readonly NumberedRow[]): void {
  const [first] = rows;
  const machine = first && versions[first.machine]?.machine;
  if (machine === undefined) throw new Error('a history of an unknown machine');
  let snapshot: ReturnType<typeof initialTransition<AnyStateMachine>>[0] | null = null;
  for (const row of rows) {
    const event = { ...eventOf(row), at: row.at, settles: row.settles, pending: [] };
    snapshot =
      snapshot === null ? initialTransition(machine, event)[0] : transition(machine, snapshot, event)[0];
  }
}
