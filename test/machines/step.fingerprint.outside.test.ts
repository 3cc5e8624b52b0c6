/**
 * A machine is frozen once it is released: open jobs of that release still run on it. frozen.json holds the fingerprint
 * of each frozen version; none is frozen before the first release. To freeze one, paste the output of the test.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, createMachine } from 'xstate';
import { jobMachine } from '../../src/machines/job/job.ts';
import { reviewMachine } from '../../src/machines/review/review.ts';
import { fingerprint } from './fingerprint.ts';
import { machines } from './machines.ts';

const frozen: Readonly<Record<string, string>> = JSON.parse(
  readFileSync(join(import.meta.dirname, 'frozen.json'), 'utf8'),
);

/** A machine's configuration as plain data, without computed values. */
type Config = ReturnType<typeof JSON.parse>;

/** Frozen versions that were removed or changed. */
function changedVersions(
  list: Readonly<Record<string, string>>,
  now: Readonly<Record<string, AnyStateMachine>>,
) {
  return Object.entries(list).flatMap(([name, print]) => {
    const machine = now[name];
    if (machine === undefined) return [`${name} is gone: jobs may still be open on it`];
    return fingerprint(machine) === print ? [] : [`${name} has changed: make the next version instead`];
  });
}

describe('frozen machines', () => {
  test('are unchanged since their release', () => {
    expect(changedVersions(frozen, machines)).toEqual([]);
  });

  test('are reported when they change or are removed', () => {
    const list = Object.fromEntries(
      Object.entries(machines).map(([name, machine]) => [name, fingerprint(machine)]),
    );
    expect(changedVersions(list, machines)).toEqual([]);
    expect(changedVersions(list, { ...machines, 'job@1': reviewMachine() })).toEqual([
      'job@1 has changed: make the next version instead',
    ]);
    expect(changedVersions({ ...list, 'job@0': 'x' }, machines)).toEqual([
      'job@0 is gone: jobs may still be open on it',
    ]);
  });
});

describe('a fingerprint', () => {
  const config = () => JSON.parse(JSON.stringify(jobMachine().config));
  const altered = (change: (config: Config) => void) => {
    const copy = config();
    change(copy);
    return fingerprint(createMachine(copy));
  };
  const same = altered(() => {});

  test('is the same for the same structure', () => {
    expect(altered(() => {})).toBe(same);
  });

  test.each<[string, (config: Config) => void]>([
    ['a state is added', (config) => Object.assign(config.states, { more: {} })],
    ['a nested state is added', (config) => Object.assign(config.states.testing.states, { sitting: {} })],
    [
      'a guard goes',
      (config) => delete config.states.booting.states.cleaningUp.states.awaitingEffects.always.guard,
    ],
    ['a handler goes', (config) => delete config.states.queued.on['timer.fired']],
    [
      'a target changes',
      (config) => Object.assign(config.states.queued.on['timer.fired'], { target: 'done' }),
    ],
    ['an action goes', (config) => delete config.states.queued.exit],
    ['the first state changes', (config) => Object.assign(config, { initial: 'booting' })],
    ['a tag goes', (config) => delete config.states.done.tags],
    [
      'a given value changes',
      (config) => Object.assign(config.on['job.cancelled'].actions.params, { verdict: 'X' }),
    ],
  ])('changes when %s', (_, change) => {
    expect(altered(change)).not.toBe(same);
  });
});
