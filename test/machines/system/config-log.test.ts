/** Which configuration is in force: who had it read, what changed, and what is wrong with the file until a good one is read. */
import { describe, expect, test } from 'vitest';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { configMachine } from '../../../src/machines/system/config-log.ts';
import { START } from '../facts.ts';
import { answerWell, Simulator } from '../simulator.ts';

const FILE = '/etc/sos-ci.yaml';
const base = { file: FILE, by: '', why: '' };
const STARTED: AnyEvent = { type: 'config.loaded', ...base, changed: [], restart: [] };
const RELOADED: AnyEvent = {
  ...STARTED,
  by: 'alice',
  why: 'a second array',
  changed: ['jobs.acme-fc'],
  restart: ['gerrit.host'],
};
const REFUSED: AnyEvent = {
  type: 'config.rejected',
  ...base,
  by: 'SIGHUP',
  problems: [`${FILE}:3:1: jobs: is missing; add at least one job`],
};

function told(...events: readonly AnyEvent[]) {
  const world = new Simulator(answerWell);
  for (const event of events) {
    world.now += 1_000;
    world.tell('config', event);
  }
  return world.at('config');
}

describe('the configuration', () => {
  test('is current from the start on, and at rest', () => {
    expect(told(STARTED)).toMatchObject({
      state: 'current',
      ended: true,
      owed: {},
      context: { file: FILE, by: '', loadedAt: START + 1_000, restart: [], problems: [], refusedAt: null },
    });
  });

  test('that was read anew says for whom, and what waits for the next start', () => {
    expect(told(STARTED, RELOADED)).toMatchObject({
      state: 'current',
      context: { by: 'alice', loadedAt: START + 2_000, restart: ['gerrit.host'] },
    });
  });

  test('with mistakes leaves what is in force as it is, until a good one is read', () => {
    const faulty = told(STARTED, RELOADED, REFUSED, REFUSED);
    expect(faulty).toMatchObject({
      state: 'faulty',
      ended: true,
      context: { by: 'alice', loadedAt: START + 2_000, refusedAt: START + 4_000 },
    });
    expect(faulty.context.problems).toHaveLength(1);
    expect(told(STARTED, REFUSED, RELOADED)).toMatchObject({
      state: 'current',
      context: { problems: [], refusedAt: null },
    });
    expect(told(STARTED, REFUSED, STARTED).state).toBe('current');
  });

  test.each<AnyEvent>([
    { type: 'machine.failed', event: 'config.loaded', message: 'broken' },
    { type: 'daemon.crashed', during: 'reload', message: 'broken' },
  ])('is what it was after $type', (event) => {
    const world = new Simulator(answerWell);
    world.tell('config', STARTED);
    const before = world.at('config').context;
    expect(world.tell('config', event)).toMatchObject({ outcome: 'moved', effects: [] });
    expect(world.at('config').context).toEqual(before);
  });

  test('begins by being read', () => {
    expect(() => told(REFUSED)).toThrow();
    expect(configMachine.id).toBe('config');
  });
});
