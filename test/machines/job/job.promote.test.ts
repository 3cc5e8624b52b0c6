/** Promotion by an operator: a waiting job requests its slot again; in later states nothing changes. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { accepted, JOB, jobSpec, PATCHSET } from '../facts.ts';
import { invariantViolations } from '../invariants.ts';
import { runUntil, Simulator, succeed } from '../simulator.ts';

const PROMOTED: AnyEvent = { type: 'job.promoted', by: 'alice', why: 'a release waits for it' };
const RELEASED: AnyEvent = { type: 'job.ready', trees: [] };
const REQUEST = {
  type: 'acquireSlot',
  provider: 'local',
  name: jobSpec().name,
  project: PATCHSET.project,
  headStartMs: 0,
} as const;

describe('a promoted job', () => {
  test('withdraws its request while it waits and makes a new one, each time', () => {
    const simulator = Simulator.job();
    expect(simulator.at(JOB).pending.slot).toEqual({ ...REQUEST, key: 'slot', promoted: false });
    expect(simulator.send(JOB, PROMOTED)).toMatchObject({
      state: 'queued.waiting',
      outcome: 'moved',
      data: { by: 'alice', why: 'a release waits for it' },
      effects: [
        { type: 'cancelEffect', key: 'slot' },
        { ...REQUEST, key: 'slot:1', promoted: true },
      ],
    });
    expect(simulator.send(JOB, PROMOTED).effects).toEqual([
      { type: 'cancelEffect', key: 'slot:1' },
      { ...REQUEST, key: 'slot:2', promoted: true },
    ]);
  });

  test('keeps the deadline for its slot', () => {
    const simulator = Simulator.job();
    const before = simulator.pendingEffects(JOB).filter(({ type }) => type === 'setTimer');
    simulator.now += 60_000;
    simulator.send(JOB, PROMOTED);
    expect(before).toHaveLength(1);
    expect(simulator.pendingEffects(JOB).filter(({ type }) => type === 'setTimer')).toEqual(before);
  });

  test('is granted its slot by the newest request, and by no older one', () => {
    const simulator = Simulator.job();
    simulator.send(JOB, PROMOTED);
    expect(simulator.send(JOB, { type: 'slot.granted' }, { settles: 'slot' }).outcome).toBe('late');
    expect(simulator.send(JOB, { type: 'slot.granted' }, { settles: 'slot:1' }).state).toBe(
      'booting.creating',
    );
    expect(simulator.run().at(JOB).state).toBe('done');
    expect(invariantViolations(simulator)).toEqual([]);
  });

  test('before its release requests its slot as promoted', () => {
    const simulator = new Simulator(succeed);
    simulator.send(JOB, accepted());
    expect(simulator.send(JOB, PROMOTED)).toMatchObject({
      state: 'queued.preparing',
      outcome: 'moved',
      effects: [],
    });
    expect(simulator.send(JOB, RELEASED).effects).toEqual([{ ...REQUEST, key: 'slot:1', promoted: true }]);
  });

  test.each(['booting.creating', 'testing.running', 'cleanup.deleting', 'done'])(
    'in %s records the event, and continues unchanged',
    (state) => {
      const simulator = runUntil(Simulator.job(), JOB, state);
      const before = simulator.at(JOB);
      expect(simulator.send(JOB, PROMOTED)).toMatchObject({ outcome: 'moved', state, effects: [] });
      expect(simulator.at(JOB).context).toEqual(before.context);
    },
  );
});
