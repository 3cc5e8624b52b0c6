/**
 * What the states of every machine are written with: asking for effects, changing the context, and deadlines. A machine
 * asks with the one action `request`, whose params are effects as data, and changes its context with the one action `update`.
 */
import type { Effect, KeyedEffect } from './effects.ts';

/** What `step` adds to every event: its time, what it settles, and what is still being performed after that. */
export interface StepMeta {
  readonly at: number;
  readonly settles: string | null;
  readonly pending: readonly KeyedEffect[];
}

/** A history's first event reaches its first state as xstate's own `xstate.init`, with ours as its input. */
function unwrapInit<E extends { readonly type: string }>(event: E): E {
  return event.type === 'xstate.init' ? (event as unknown as { readonly input: E }).input : event;
}

/** One for all: an Error is dear to make, and this one is made only to be swallowed. */
const NO_INPUT = new Error('no first event');

/**
 * For a machine's first context. xstate makes an actor of the machine to step it, without an input, and swallows what
 * that throws.
 */
export function assertFirstEvent(input: object | undefined): void {
  if (input === undefined) throw NO_INPUT;
}

/** A limit on a wait, and not a pause before another attempt: such timers are named `deadline:STATE...`. */
export function isDeadline(timer: string): boolean {
  return timer.startsWith('deadline:');
}

/** The words of one machine. */
export function actionsFor<Context, Event extends { readonly type: string }>() {
  type Args = { readonly context: Context; readonly event: Event & StepMeta };

  /** Asks for effects. `step` collects them; xstate itself never performs anything here. */
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

  /** A state's deadline: armed on entry, taken back on exit. Only one runs at a time, so `timer.fired` needs no guard. */
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
