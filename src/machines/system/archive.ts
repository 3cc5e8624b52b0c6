/**
 * archive@1: what left the database for archive files. The rows of this history account for every row that is absent:
 * `verify` accepts exactly those. One history per database; it never ends, and its own old rows leave as well.
 */
import { assign, setup } from 'xstate';
import { actionsFor, assertFirstEvent, type StepMeta } from '../protocol/actions.ts';
import type { CommonEvent } from '../protocol/events.ts';
import { once } from '../protocol/once.ts';
import type { HistorySnapshot } from '../protocol/row.ts';
import { type Range, union } from './ranges.ts';

/** The history's name. */
export const ARCHIVE = 'archive';

/** A history in an archive file, or its first rows. */
export interface ArchivedHistory {
  readonly history: string;
  /** The versions of its rows in the file. */
  readonly first: number;
  readonly last: number;
  /** The hash of row `last`. */
  readonly head: string;
  /** False: the history continues in the database with row `last` + 1, a `history.continued`. */
  readonly whole: boolean;
}

export interface ArchiveFile {
  /** 1 for the first file of a database, without gaps. */
  readonly number: number;
  readonly sha256: string;
  readonly bytes: number;
}

export type ArchiveEvent =
  | CommonEvent
  /** These rows left the database in the transaction of this row. The file was durable before. */
  | {
      readonly type: 'histories.archived';
      readonly file: ArchiveFile;
      readonly histories: readonly ArchivedHistory[];
      /** The numbers in the log of the rows that left. */
      readonly seqs: readonly Range[];
      /** Older files that are removed because of the limit on the size of all files. */
      readonly removed: readonly number[];
    };

export interface ArchiveContext {
  /** The files that are kept, oldest first. */
  readonly files: readonly ArchiveFile[];
  /** Files so far. */
  readonly count: number;
  /** The numbers of all rows that left. */
  readonly absent: readonly Range[];
  /** Histories whose first rows left and that continue: the version and the hash of the last row that left. */
  readonly continued: Readonly<Record<string, { readonly last: number; readonly head: string }>>;
}

type ArchiveMachineEvent = ArchiveEvent & StepMeta;

const { update } = actionsFor<ArchiveContext, ArchiveEvent>();
const noop = { actions: 'noop' } as const;

const archiveSetup = setup({
  types: {
    context: {} as ArchiveContext,
    events: {} as ArchiveMachineEvent,
    input: {} as ArchiveMachineEvent,
  },
  actions: {
    update: assign((_, changes: Partial<ArchiveContext>) => changes),
    noop: () => {},
  },
});

const config = {
  id: 'archive',
  context: ({ input }) => firstContext(input),
  initial: 'open',
  on: {
    'histories.archived': { actions: update(({ context, event }) => archived(context, event)) },
    'machine.failed': noop,
    'daemon.crashed': noop,
  },
  states: { open: {} },
} satisfies Parameters<typeof archiveSetup.createMachine>[0];

export const archiveMachine = once(() => archiveSetup.createMachine(config));

const EMPTY: ArchiveContext = { files: [], count: 0, absent: [], continued: {} };

function firstContext(first: ArchiveMachineEvent): ArchiveContext {
  assertFirstEvent(first);
  if (first.type !== 'histories.archived')
    throw new Error(`the history of archives begins with histories.archived, not ${first.type}`);
  return { ...EMPTY, ...archived(EMPTY, first) };
}

function archived(context: ArchiveContext, event: ArchiveEvent): Partial<ArchiveContext> {
  if (event.type !== 'histories.archived') return {};
  const { file, histories, seqs, removed } = event;
  if (file.number !== context.count + 1)
    throw new Error(`archive file ${file.number} does not follow ${context.count}`);
  const continued = new Map(Object.entries(context.continued));
  for (const { history, last, head, whole } of histories) {
    if (whole) continued.delete(history);
    else continued.set(history, { last, head });
  }
  return {
    files: [...context.files.filter(({ number }) => !removed.includes(number)), file],
    count: file.number,
    absent: union(context.absent, seqs),
    continued: Object.fromEntries(continued),
  };
}

/** What left the database; null: nothing. */
export function archiveStatus(stored: HistorySnapshot | null): ArchiveContext | null {
  return stored === null ? null : (stored.context as unknown as ArchiveContext);
}
