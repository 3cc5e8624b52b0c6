/**
 * Building blocks for the states of every machine: the action `request`, whose params are effects as data, the action
 * `update`, which changes the context, and deadlines.
 */
import type { Effect, KeyedEffect } from './effects.ts';

/**
 * What `step` adds to every event: its time, the effect key that it settles, and the effects that are still pending
 * afterwards.
 */
export interface StepMeta {
  readonly at: number;
  readonly settles: string | null;
  readonly pending: readonly KeyedEffect[];
}

/** xstate sends `xstate.init` to a history's first state, with our first event as its input. */
function unwrapInit<E extends { readonly type: string }>(event: E): E {
  return event.type === 'xstate.init' ? (event as unknown as { readonly input: E }).input : event;
}

/** One shared instance: creating an Error is expensive, and xstate swallows this one. */
const NO_INPUT = new Error('no first event');

/**
 * For a machine's initial context. To step a machine, xstate creates an actor without an input, and swallows the error
 * that this throws.
 */
export function assertFirstEvent(input: object | undefined): void {
  if (input === undefined) throw NO_INPUT;
}

/**
 * True for the limit of a wait, and not for a pause before another attempt: such timers are named `deadline:STATE...`.
 */
export function isDeadline(timer: string): boolean {
  return timer.startsWith('deadline:');
}

/** The actions for one machine. */
export function actionsFor<Context, Event extends { readonly type: string }>() {
  type Args = { readonly context: Context; readonly event: Event & StepMeta };

  /** Requests effects. `step` collects them; xstate itself performs nothing. */
  const request = (make: (args: Args) => Effect | readonly Effect[] | null) =>
    ({
      type: 'request',
      params: ({ context, event }: Args) => make({ context, event: unwrapInit(event) }),
    }) as const;

  /** Changes the context. */
  const update = (make: (args: Args) => Partial<Context>) =>
    ({
      type: 'update',
      params: ({ context, event }: Args): Partial<Context> => make({ context, event: unwrapInit(event) }),
    }) as const;

  /**
   * A state's deadline: armed on entry, withdrawn on exit. Only one runs at a time, so `timer.fired` needs no guard.
   */
  const deadline = (
    key: (context: Context) => string,
    delayMs: (context: Context, pending: readonly KeyedEffect[]) => number,
  ) => ({
    arm: request(({ context, event }) => {
      const delay = delayMs(context, event.pending);
      return { type: 'setTimer', key: key(context), dueAt: event.at + delay, delayMs: delay };
    }),
    disarm: request(({ context }) => ({ type: 'cancelEffect', key: key(context) })),
  });

  return { request, update, deadline };
}
