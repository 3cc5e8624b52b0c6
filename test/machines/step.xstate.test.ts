/**
 * Tests the behaviour of xstate that the core relies on: an upgrade that changes it would change the meaning of
 * recorded histories.
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

/** The requested effects, in order. */
const requested = (actions: readonly unknown[]) =>
  (actions as readonly { readonly type: string; readonly params?: { readonly what: string } }[])
    .filter((action) => action.type === 'request')
    .map((action) => action.params?.what);

describe('a transition that does nothing', () => {
  test('returns the same snapshot and no action for an event without a handler', () => {
    const [next, actions] = transition(machine, initial, { type: 'down' });
    expect(next).toBe(initial);
    expect(actions).toEqual([]);
  });

  test('returns the same for a guard that is false', () => {
    const [next, actions] = transition(machine, initial, { type: 'never' });
    expect(next).toBe(initial);
    expect(actions).toEqual([]);
  });

  test('differs from a handler with an action, which returns the action', () => {
    const [, actions] = transition(machine, initial, { type: 'noted' });
    expect(actions.map(({ type }) => type)).toEqual(['noted']);
  });

  test('differs from a handler that assigns, which returns another snapshot', () => {
    const [next, actions] = transition(machine, initial, { type: 'up' });
    expect(next).not.toBe(initial);
    expect(actions).toEqual([]);
    expect(initial.context.count).toBe(0);
  });
});

describe('an error inside the machine', () => {
  test.each([
    ['throw', 'broken assign'],
    ['guard', 'broken guard'],
  ] as const)('in %s is thrown by transition()', (type, message) => {
    expect(() => transition(machine, initial, { type })).toThrow(message);
  });

  test('in the initial context is caught, and only sets the status', () => {
    const failing = setup({}).createMachine({
      context: () => {
        throw new Error('broken beginning');
      },
    });
    const [snapshot, actions] = initialTransition(failing);
    expect([snapshot.status, (snapshot.error as Error).message, actions]).toEqual([
      'error',
      'broken beginning',
      [],
    ]);
  });
});

describe('order', () => {
  test('is exit, transition, entry; each action gets the context at that point', () => {
    const [, actions] = transition(machine, initial, { type: 'go' });
    expect(requested(actions)).toEqual(['leave one', 'go', 'enter two with 1']);
  });

  test('the first event reaches entry actions as xstate.init', () => {
    expect(requested(first)).toEqual(['enter one on xstate.init']);
  });

  test('re-entering exits and enters, and so does a parent’s transition to the current state', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    expect(requested(transition(machine, two, { type: 'again' })[1])).toEqual([
      'leave two',
      'enter two with 2',
    ]);
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
    expect(requested(transition(plain, initialTransition(plain)[0], { type: 'go' })[1])).toEqual([
      'out',
      'in',
    ]);
  });
});

describe('eventless transitions', () => {
  test('are evaluated after each event, with that event, even if no state handled it', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    expect(two.value).toEqual({ two: 'inner' });
    const [deep, actions] = transition(machine, two, { type: 'noted' });
    expect(deep.value).toEqual({ two: 'deep' });
    expect(actions).toEqual([]);
  });

  test('are evaluated when a history begins', () => {
    expect(initialTransition(machine, { from: 3 })[0].value).toEqual({ two: 'inner' });
  });

  test('see what the event changed', () => {
    let now = initial;
    for (let times = 0; times < 3; times += 1) now = transition(machine, now, { type: 'up' })[0];
    expect(now.value).toEqual({ two: 'inner' });
  });
});

describe('a stored state', () => {
  test('continues like the one in memory', () => {
    const [two] = transition(machine, initial, { type: 'go' });
    const stored = JSON.parse(JSON.stringify({ value: two.value, context: two.context }));
    const restored = core.resolveState(stored);
    const [fromStore, storeActions] = transition(core, restored, { type: 'again' });
    const [fromMemory, memoryActions] = transition(machine, two, { type: 'again' });
    expect(fromStore.value).toEqual(fromMemory.value);
    expect(fromStore.context).toEqual(fromMemory.context);
    expect(requested(storeActions)).toEqual(requested(memoryActions));
  });

  test('that the machine does not have is an error', () => {
    expect(() => core.resolveState({ value: 'three', context: { count: 0 } })).toThrow('three');
  });

  test('runs no eventless transitions when it is restored', () => {
    expect(core.resolveState({ value: 'one', context: { count: 9 } }).value).toBe('one');
  });
});
