/**
 * What the core relies on in xstate, as tests of xstate itself: an upgrade that changes one of these would change
 * what recorded histories mean.
 */
import { describe, expect, test } from 'vitest';
import { type AnyStateMachine, assign, initialTransition, setup, transition } from 'xstate';

interface Context {
  readonly count: number;
}
type Event = { readonly type: 'up' | 'down' | 'never' | 'noted' | 'go' | 'throw' | 'guard' | 'again' };

const machine = setup({
  types: { context: {} as Context, events: {} as Event, input: {} as { readonly from: number } },
  actions: {
    request: (_, _params: { readonly what: string }) => {},
    noted: () => {},
    count: assign(({ context }) => ({ count: context.count + 1 })),
    broken: assign(() => {
      throw new Error('broken assign');
    }),
  },
  guards: {
    never: () => false,
    broken: () => {
      throw new Error('broken guard');
    },
    full: ({ context }) => context.count >= 3,
    noted: ({ event }) => event.type === 'noted',
  },
}).createMachine({
  id: 'm',
  context: ({ input }) => ({ count: input.from }),
  initial: 'one',
  on: { again: '.two' },
  states: {
    one: {
      entry: { type: 'request', params: ({ event }) => ({ what: `enter one on ${event.type}` }) },
      exit: { type: 'request', params: { what: 'leave one' } },
      always: { guard: 'full', target: 'two' },
      on: {
        up: { actions: 'count' },
        never: { guard: 'never', target: 'two' },
        noted: { actions: 'noted' },
        go: { target: 'two', actions: { type: 'request', params: { what: 'go' } } },
        throw: { actions: 'broken' },
        guard: { guard: 'broken', target: 'two' },
      },
    },
    two: {
      entry: [
        'count',
        { type: 'request', params: ({ context }) => ({ what: `enter two with ${context.count}` }) },
      ],
      exit: { type: 'request', params: { what: 'leave two' } },
      on: { again: { target: 'two', reenter: true } },
      initial: 'inner',
      states: { inner: { always: { guard: 'noted', target: 'deep' } }, deep: {} },
    },
  },
});
const core: AnyStateMachine = machine;
const [initial, first] = initialTransition(machine, { from: 0 });

/** What was requested, in order. */
const asked = (actions: readonly unknown[]) =>
  (actions as readonly { readonly type: string; readonly params?: { readonly what: string } }[])
    .filter((action) => action.type === 'request')
    .map((action) => action.params?.what);

describe('a transition that does nothing', () => {
  test('gives the same snapshot and no action for an event without a handler', () => {
    const [next, actions] = transition(machine, initial, { type: 'down' });
    expect(next).toBe(initial);
    expect(actions).toEqual([]);
  });

  test('the same for a guard that says no', () => {
    const [next, actions] = transition(machine, initial, { type: 'never' });
    expect(next).toBe(initial);
    expect(actions).toEqual([]);
  });

  test('but a handler with an action shows by its action', () => {
    const [, actions] = transition(machine, initial, { type: 'noted' });
    expect(actions.map(({ type }) => type)).toEqual(['noted']);
  });

  test('and one that assigns by another snapshot', () => {
    const [next, actions] = transition(machine, initial, { type: 'up' });
    expect(next).not.toBe(initial);
    expect(actions).toEqual([]);
    expect(initial.context.count).toBe(0);
  });
});

describe('what throws inside the machine', () => {
  test.each([
    ['throw', 'broken assign'],
    ['guard', 'broken guard'],
  ] as const)('%s throws out of transition()', (type, message) => {
    expect(() => transition(machine, initial, { type })).toThrow(message);
  });

  test('at the very beginning is caught, and shows by the status alone', () => {
    const stillborn = setup({}).createMachine({
      context: () => {
        throw new Error('broken beginning');
      },
    });
    const [snapshot, actions] = initialTransition(stillborn);
    expect([snapshot.status, (snapshot.error as Error).message, actions]).toEqual([
      'error',
      'broken beginning',
      [],
    ]);
  });
});

describe('order', () => {
  test('exit, then the transition’s own, then entry, each with the context as it is by then', () => {
    const [, actions] = transition(machine, initial, { type: 'go' });
    expect(asked(actions)).toEqual(['leave one', 'go', 'enter two with 1']);
  });

  test('the first event reaches entry actions as xstate.init', () => {
    expect(asked(first)).toEqual(['enter one on xstate.init']);
  });

  test('re-entering leaves and enters; a parent’s transition to the state we are in does too', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    expect(asked(transition(machine, two, { type: 'again' })[1])).toEqual(['leave two', 'enter two with 2']);
    const plain = setup({
      types: { events: {} as Event },
      actions: { request: (_, _params: { readonly what: string }) => {} },
    }).createMachine({
      initial: 'a',
      on: { go: '.a' },
      states: {
        a: {
          entry: { type: 'request', params: { what: 'in' } },
          exit: { type: 'request', params: { what: 'out' } },
        },
      },
    });
    expect(asked(transition(plain, initialTransition(plain)[0], { type: 'go' })[1])).toEqual(['out', 'in']);
  });
});

describe('eventless transitions', () => {
  test('are looked at after each event, with that event, also when nothing else handled it', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    expect(two.value).toEqual({ two: 'inner' });
    const [deep, actions] = transition(machine, two, { type: 'noted' });
    expect(deep.value).toEqual({ two: 'deep' });
    expect(actions).toEqual([]);
  });

  test('are looked at when a history begins', () => {
    expect(initialTransition(machine, { from: 3 })[0].value).toEqual({ two: 'inner' });
  });

  test('see what the event changed', () => {
    let now = initial;
    for (let times = 0; times < 3; times += 1) now = transition(machine, now, { type: 'up' })[0];
    expect(now.value).toEqual({ two: 'inner' });
  });
});

describe('a state that was stored', () => {
  test('goes on as the one in memory does', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    const stored = JSON.parse(JSON.stringify({ value: two.value, context: two.context }));
    const restored = core.resolveState(stored);
    const [fromStore, storeActions] = transition(core, restored, { type: 'again' });
    const [fromMemory, memoryActions] = transition(machine, two, { type: 'again' });
    expect(fromStore.value).toEqual(fromMemory.value);
    expect(fromStore.context).toEqual(fromMemory.context);
    expect(asked(storeActions)).toEqual(asked(memoryActions));
  });

  test('that the machine does not have is an error, not a guess', () => {
    expect(() => core.resolveState({ value: 'three', context: { count: 0 } })).toThrow('three');
  });

  test('does not run its eventless transitions by being restored', () => {
    expect(core.resolveState({ value: 'one', context: { count: 9 } }).value).toBe('one');
  });
});
