/**
 * Finds what carries our mark although its owner is gone: what providers created for jobs that have ended, and
 * evidence of such jobs on this host. Changes nothing.
 */
import { errorText, OperationError, raceAbort } from '../../errors.ts';
import { publicationOf } from '../../machines/job/publication.ts';
import type { Server } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import type { Adapters, Clock, Evidence, ListedResource, OwnedServer, Provider } from '../ports/adapters.ts';
import type { Unlisted } from '../ports/operator-api.ts';
import type { OutboxEntry, StoreReader } from '../ports/store.ts';
import { ownerState } from './owner-state.ts';

export interface LeakSearchOptions {
  readonly providers: ReadonlyMap<string, Provider>;
  readonly evidence: Pick<Evidence, 'held'>;
  readonly store: Pick<StoreReader, 'job' | 'stored' | 'outbox' | 'openHistories'>;
  readonly deployment: string;
  readonly clock: Clock;
  /** Timeout of one call: a hanging provider must not hide the leaks of the others. */
  readonly callTimeoutMs: number;
  /** Removes secrets from the messages of providers. */
  readonly hide: Adapters['hide'];
}

/** What is removed together. */
export interface FoundLeak {
  readonly job: string;
  /** False: the job is not in our database, so nothing proves that this may be removed. */
  readonly removable: boolean;
  /** Null: the job's files on this host. */
  readonly server: Server | null;
  readonly resources: readonly ListedResource[];
}

export interface FoundLeaks {
  readonly leaks: readonly FoundLeak[];
  readonly unlisted: readonly Unlisted[];
}

/** The part of a search that reads this host. */
const EVIDENCE = 'evidence';

export async function findLeaks(options: LeakSearchOptions, signal: AbortSignal): Promise<FoundLeaks> {
  const leaks: FoundLeak[] = [];
  const unlisted: Unlisted[] = [];
  const jobsWithServer = new Set<string>();
  const listPart = async (part: string, list: () => Promise<void>) => {
    try {
      await list();
    } catch (thrown) {
      if (!(thrown instanceof OperationError) || signal.aborted) throw thrown;
      const { hide } = options;
      unlisted.push({ part, why: hide(errorText(thrown)), hint: hide(thrown.hint) });
    }
  };
  for (const provider of options.providers.values()) {
    await listPart(provider.name, async () => {
      const { deployment } = options;
      const list = (within: AbortSignal) => provider.list({ deployment }, within);
      for (const owned of await callWithin(options, list, 'list servers', provider.name, signal)) {
        jobsWithServer.add(owned.owner.job);
        const state = ownerState(options.store, owned.owner);
        if (state !== 'living') leaks.push(leakOf(owned, state === 'ended'));
      }
    });
  }
  await listPart(EVIDENCE, async () => {
    const list = () => options.evidence.held();
    for (const job of await callWithin(options, list, 'list evidence', 'this host', signal)) {
      const state = ownerState(options.store, { job });
      if (state === 'living') continue;
      if (state === 'ended' && !isOver(job, options, jobsWithServer, unlisted)) continue;
      const resources = [{ kind: 'evidence', id: job, createdAt: null }] as const;
      leaks.push({ job, removable: state === 'ended', server: null, resources });
    }
  });
  return { leaks, unlisted };
}

function leakOf({ server, owner, resources }: OwnedServer, removable: boolean): FoundLeak {
  const alone = [{ kind: 'server', id: server.id, createdAt: null }] as const;
  return { job: owner.job, removable, server, resources: resources ?? alone };
}

/**
 * True when none of the ended job's servers is left and no effect still needs its evidence. Servers must go first:
 * leftover processes are found with the files here.
 */
function isOver(
  id: string,
  { store, clock, providers }: LeakSearchOptions,
  jobsWithServer: ReadonlySet<string>,
  unlisted: readonly Unlisted[],
): boolean {
  const job = store.job(id);
  if (job === null || jobsWithServer.has(id)) return false;
  if (store.stored(publicationOf(id))?.ended === false) return false;
  // A provider that was removed or does not answer cannot confirm that the job has no server.
  if (!providers.has(job.provider) || unlisted.some(({ part }) => part === job.provider)) return false;
  return !store.outbox(id).some((pending) => mayBePerformed(pending, clock.now()));
}

/** True before the effect's deadline: later effects of an ended job are not performed and stay pending. */
function mayBePerformed({ effect, requestedAt }: OutboxEntry, now: number): boolean {
  return 'timeoutMs' in effect && now < requestedAt + effect.timeoutMs;
}

/** @throws OperationError when there is no answer in time */
export async function callWithin<T>(
  { clock, callTimeoutMs }: Pick<LeakSearchOptions, 'clock' | 'callTimeoutMs'>,
  call: (signal: AbortSignal) => Promise<T>,
  operation: string,
  target: string,
  stopping: AbortSignal,
): Promise<T> {
  const over = new AbortController();
  const cancel = clock.after(callTimeoutMs, () => over.abort());
  const late = () => {
    const message = `no answer within ${formatLimit(callTimeoutMs)}`;
    const hint = 'check whether the provider is reachable; the next sweep tries again';
    return new OperationError({ operation, target, message, retryable: true, hint });
  };
  try {
    return await raceAbort(call(AbortSignal.any([stopping, over.signal])), over.signal, late);
  } finally {
    cancel();
  }
}
