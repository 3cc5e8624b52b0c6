/** A CI that archives, and what must hold for its log. */
import { expect } from 'vitest';
import { openStore } from '../../src/adapters/sqlite/store.ts';
import { rebuild, verifyLog } from '../../src/engine/operations/verify-log.ts';
import type { NumberedRow, Store } from '../../src/engine/ports/store.ts';
import { FakeHistoryArchive } from '../fakes/history-archive.ts';
import { sha256 } from '../machines/simulator.ts';
import { CiHarness, type CiHarnessOptions } from './ci-harness.ts';
import { created, FIRST } from './gerrit-events.ts';

export const DAY = 86_400_000;

/** A CI that has tested two changes. */
export async function begun(options: CiHarnessOptions = {}) {
  const archive = new FakeHistoryArchive();
  const ci = new CiHarness({ archive, keepHistoriesMs: 60 * DAY, ...options });
  await ci.start();
  ci.emit(created(FIRST));
  ci.emit(created(FIRST + 1));
  await ci.run();
  return { ci, archive };
}

/** A new daemon some days later, and its first run. */
export async function later(ci: CiHarness, days = 61): Promise<void> {
  ci.daemon.life.end();
  await ci.clock.advance(days * DAY);
  await ci.restart();
  await ci.clock.advance(60_000);
  await settled(ci);
}

/** Until nothing more is written, or the daemon has died. */
export async function settled(ci: CiHarness): Promise<void> {
  for (let length = -1; length !== ci.store.length(); ) {
    length = ci.store.length();
    await ci.untilIdle();
  }
}

export function audit(store: Store) {
  const scratch = openStore(':memory:');
  const { differences, schema, views } = verifyLog(store, scratch, sha256);
  scratch.close();
  return [...differences, ...schema, ...views];
}

/** The log is whole, and its views are those that it gives. */
export function expectSound(store: Store): void {
  expect(audit(store)).toEqual([]);
  const views = [...store.views()];
  rebuild(store, sha256);
  expect([...store.views()]).toEqual(views);
}

export const historiesOf = (rows: readonly NumberedRow[]) =>
  [...new Set(rows.map(({ history }) => history))].sort();
