/** The time that counts as served by a daemon: without the time between two daemons and without jumps of the clock. */
import { expect, test } from 'vitest';
import { ServedTime } from '../../../src/engine/loop/served-time.ts';
import type { ServedNote } from '../../../src/engine/ports/store.ts';
import { FakeClock } from '../../fakes/clock.ts';

const HOUR = 3_600_000;

class Notes {
  note: ServedNote | null = null;
  row: number | null = null;

  servedNote(): ServedNote | null {
    return this.note;
  }

  noteServed(note: ServedNote): void {
    this.note = note;
  }

  lastRowAt(): number | null {
    return this.row;
  }
}

/** The served time of a daemon that starts now. */
function daemon(notes: Notes, clock: FakeClock): ServedTime {
  const served = new ServedTime(notes, clock);
  served.begin();
  return served;
}

test('all time of one daemon counts', async () => {
  const clock = new FakeClock();
  const served = daemon(new Notes(), clock);
  const at = clock.now();
  await clock.advance(5 * HOUR);
  served.check();
  expect(served.since(at)).toBe(5 * HOUR);
});

test('time between any number of daemons does not count', async () => {
  const [clock, notes] = [new FakeClock(), new Notes()];
  const at = clock.now();
  for (let life = 0; life < 3; life += 1) {
    const served = daemon(notes, clock);
    await clock.advance(2 * HOUR);
    served.beat();
    await clock.advance(50 * HOUR);
  }
  expect(daemon(notes, clock).since(at)).toBe(6 * HOUR);
});

test('the time of a killed daemon counts up to its last row', async () => {
  const [clock, notes] = [new FakeClock(), new Notes()];
  daemon(notes, clock);
  const at = clock.now();
  await clock.advance(2 * HOUR);
  notes.row = clock.now();
  await clock.advance(50 * HOUR);
  expect(daemon(notes, clock).since(at)).toBe(2 * HOUR);
});

test('a clock that is set forward or back while a daemon runs changes nothing', async () => {
  const [clock, notes] = [new FakeClock(), new Notes()];
  const served = daemon(notes, clock);
  const at = clock.now();
  await clock.advance(HOUR);
  clock.jump(48 * HOUR);
  served.check();
  await clock.advance(HOUR);
  expect(served.since(at)).toBe(2 * HOUR);
  served.beat();
  expect(daemon(notes, clock).since(at)).toBe(2 * HOUR);
  clock.jump(-49 * HOUR);
  served.check();
  expect(served.since(at)).toBeLessThanOrEqual(2 * HOUR);
});

test('the stored gaps are bounded', async () => {
  const [clock, notes] = [new FakeClock(), new Notes()];
  for (let life = 0; life < 300; life += 1) {
    daemon(notes, clock);
    await clock.advance(HOUR);
  }
  expect(notes.note?.gaps).toHaveLength(100);
});
