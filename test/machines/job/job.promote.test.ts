/** An operator promotes a job: while it waits it requests its slot again, later this changes nothing. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { accepted, JOB, jobSpec, PATCHSET } from '../facts.ts';
import { breaches } from '../invariants.ts';
import { answerWell, comeTo, Simulator } from '../simulator.ts';

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
    const world = Simulator.job();
    expect(world.at(JOB).pending.slot).toEqual({ ...REQUEST, key: 'slot', promoted: false });
    expect(world.send(JOB, PROMOTED)).toMatchObject({
      state: 'queued.waiting',
      outcome: 'moved',
      data: { by: 'alice', why: 'a release waits for it' },
      effects: [
        { type: 'cancelEffect', key: 'slot' },
        { ...REQUEST, key: 'slot:1', promoted: true },
      ],
    });
    expect(world.send(JOB, PROMOTED).effects).toEqual([
      { type: 'cancelEffect', key: 'slot:1' },
      { ...REQUEST, key: 'slot:2', promoted: true },
    ]);
  });

  test('keeps the deadline for its slot', () => {
    const world = Simulator.job();
    const before = world.owed(JOB).filter(({ type }) => type === 'setTimer');
    world.now += 60_000;
    world.send(JOB, PROMOTED);
    expect(before).toHaveLength(1);
    expect(world.owed(JOB).filter(({ type }) => type === 'setTimer')).toEqual(before);
  });

  test('is granted its slot by the newest request, and by no older one', () => {
    const world = Simulator.job();
    world.send(JOB, PROMOTED);
    expect(world.send(JOB, { type: 'slot.granted' }, { settles: 'slot' }).outcome).toBe('late');
    expect(world.send(JOB, { type: 'slot.granted' }, { settles: 'slot:1' }).state).toBe('booting.creating');
    expect(world.run().at(JOB).state).toBe('done');
    expect(breaches(world)).toEqual([]);
  });

  test('before its release requests its slot as promoted', () => {
    const world = new Simulator(answerWell);
    world.send(JOB, accepted());
    expect(world.send(JOB, PROMOTED)).toMatchObject({
      state: 'queued.preparing',
      outcome: 'moved',
      effects: [],
    });
    expect(world.send(JOB, RELEASED).effects).toEqual([{ ...REQUEST, key: 'slot:1', promoted: true }]);
  });

  test.each(['booting.creating', 'testing.running', 'cleanup.deleting', 'done'])(
    'in %s records the event, and continues unchanged',
    (state) => {
      const world = comeTo(Simulator.job(), JOB, state);
      const before = world.at(JOB);
      expect(world.send(JOB, PROMOTED)).toMatchObject({ outcome: 'moved', state, effects: [] });
      expect(world.at(JOB).context).toEqual(before.context);
    },
  );
});
