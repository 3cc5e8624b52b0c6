/**
 * The single history that decides whether this CI may vote: created once for a database, and changed by operators.
 * Reviews send it events directly.
 */
import { VOTING } from '../../machines/system/voting.ts';
import { newest, versionOf } from '../../machines/versions.ts';
import type { Engine } from '../loop/engine.ts';
import type { StoreReader } from '../ports/store.ts';

type Stored = Pick<StoreReader, 'stored'>;

/** Call before any review can use it. An existing history stays unchanged. */
export async function openVoting(engine: Engine, store: Stored): Promise<void> {
  if (store.stored(VOTING) !== null) return;
  const event = { type: 'voting.opened' } as const;
  await engine.submit([
    { history: VOTING, startsOn: newest.voting, event, settles: null, causationId: null },
  ]);
}

/** Allows votes again. Resolves when that is durable: true when voting had been stopped. */
export async function resumeVoting(engine: Engine, store: Stored, by: string, why: string): Promise<boolean> {
  const voting = store.stored(VOTING);
  const stopped = voting !== null && versionOf(voting).isStopped(voting);
  await engine.send(VOTING, { type: 'voting.resumed', by, why });
  return stopped;
}
