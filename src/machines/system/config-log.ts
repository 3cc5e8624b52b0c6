/**
 * config@1: which configuration is in force, and whether the file holds another that could not be taken. One history for
 * all daemons of a database: it says who had the file read when, what changed by it, and what was wrong with it. It asks
 * for nothing, and is always at rest.
 */
import { assign, setup } from 'xstate';
import { assertInput, type Told, wordsOf } from '../protocol/actions.ts';
import type { ConfigEvent } from '../protocol/events.ts';

export interface ConfigContext {
  readonly file: string;
  /** Who had the configuration that is in force read; '' a start of the daemon. */
  readonly by: string;
  readonly loadedAt: number;
  /** What is in the file and counts only after the next start, as dotted keys. */
  readonly restart: readonly string[];
  /** What is wrong with the file since then, each with its place; empty: nothing. */
  readonly problems: readonly string[];
  readonly refusedAt: number | null;
}

type ConfigMachineEvent = ConfigEvent & Told;
const { change } = wordsOf<ConfigContext, ConfigEvent>();

const configSetup = setup({
  types: {
    context: {} as ConfigContext,
    events: {} as ConfigMachineEvent,
    input: {} as ConfigMachineEvent,
    tags: {} as 'ended',
  },
  actions: {
    keep: assign((_, changes: Partial<ConfigContext>) => changes),
    /** The event is expected here and changes nothing. */
    noted: () => {},
  },
});

const noted = { actions: 'noted' } as const;
const keepLoaded = change(({ event }) => (event.type === 'config.loaded' ? loaded(event) : {}));
const keepRefused = change(({ event }) =>
  event.type === 'config.rejected' ? { problems: event.problems, refusedAt: event.at } : {},
);

export const configMachine = configSetup.createMachine({
  id: 'config',
  context: ({ input }) => firstContext(input),
  initial: 'current',
  on: {
    'config.loaded': { target: '.current', actions: keepLoaded },
    'config.rejected': { target: '.faulty', actions: keepRefused },
    'machine.failed': noted,
    'daemon.crashed': noted,
    'timer.fired': noted,
    'alarm.raised': noted,
  },
  states: {
    current: { tags: 'ended' },
    faulty: { tags: 'ended' },
  },
});

function firstContext(first: ConfigMachineEvent): ConfigContext {
  assertInput(first);
  if (first.type !== 'config.loaded')
    throw new Error(`a configuration begins with config.loaded, not ${first.type}`);
  return loaded(first);
}

function loaded(event: Extract<ConfigMachineEvent, { type: 'config.loaded' }>): ConfigContext {
  const { file, by, at, restart } = event;
  return { file, by, loadedAt: at, restart, problems: [], refusedAt: null };
}
