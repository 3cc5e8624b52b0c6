/**
 * Turns one effect into the one event that settles it, and is the only code that catches adapter errors. An effect that
 * was pending at the daemon's start is reconciled first: an earlier daemon may have performed it already.
 */
import { OperationError } from '../../errors.ts';
import { assertNever, type Server } from '../../machines/model/domain.ts';
import type { ServerFacts } from '../../machines/model/environment.ts';
import type { KeyedEffect } from '../../machines/protocol/effects.ts';
import type { AnyEvent } from '../../machines/protocol/events.ts';
import type { Adapters, Clock, EffectOf, OwnedServer, Provider } from '../ports/adapters.ts';
import type { PerformBounds } from '../ports/bounds.ts';
import type { TestsRead } from '../ports/test-history.ts';
import { deleteServers } from './delete-servers.ts';
import { withTimeout } from './effect-timeout.ts';
import { failureEvent } from './failure-event.ts';
import { readResults } from './read-results.ts';
import { runJanitor } from './run-janitor.ts';
import { runStage } from './run-stage.ts';
import { sendMail } from './send-mail.ts';

/** Effects on the outside; the engine itself performs timers and slots. */
export type OutsideEffect = Exclude<KeyedEffect, { type: 'setTimer' | 'acquireSlot' | 'acquireBackends' }>;

export interface Performance {
  readonly adapters: Adapters;
  readonly bounds: PerformBounds;
  readonly clock: Clock;
  /** Aborts only when the daemon stops. */
  readonly stopping: AbortSignal;
  /** Aborts also at this effect's deadline, and when the server of its stage is gone. */
  readonly abort: AbortController;
  /** True: an earlier daemon may have performed this already. */
  readonly recovered: boolean;
  /**
   * True: the job no longer needs a server. A server or run that was begun is found in order to be removed; nothing new
   * is begun.
   */
  readonly serverUnneeded: boolean;
  /**
   * True: the history ended before the daemon started. Effects that are no longer needed are settled without being
   * performed.
   */
  readonly ended: boolean;
  /** Called with each piece of work, which may continue after its effect was abandoned. */
  readonly track: (work: Promise<unknown>) => void;
  /** Stores the results of single tests of this history, if it is a job. */
  readonly recordTests: (read: TestsRead) => void;
  /** Emits an intermediate event that settles nothing. */
  readonly emit: (event: AnyEvent) => void;
}

/** Rejects only for programmers' errors, and when the daemon stops: then the effect stays pending. */
export async function perform(effect: OutsideEffect, performance: Performance): Promise<AnyEvent> {
  try {
    if (performance.ended && !PERFORMED_AFTER_THE_END.includes(effect.type))
      throw notBegun(effect, 'the history that requested it has ended');
    return await attempt(effect, performance);
  } catch (thrown) {
    if (performance.stopping.aborted) throw thrown;
    if (!(thrown instanceof OperationError)) throw thrown;
    return failureEvent(effect, thrown, performance.adapters);
  }
}

/**
 * Effects that are still performed for a history that has ended: they inform people, or find and remove what may have
 * been begun. Results, start messages and evidence come too late.
 */
const PERFORMED_AFTER_THE_END: readonly OutsideEffect['type'][] = [
  'raiseAlarm',
  'sendMail',
  'createServer',
  'runStage',
  'stopStage',
  'runJanitor',
  'stopJanitor',
  'deleteServer',
  'discardEvidence',
  'removeLeak',
];

function attempt(effect: OutsideEffect, performance: Performance): Promise<AnyEvent> {
  const { adapters } = performance;
  switch (effect.type) {
    case 'raiseAlarm':
      return adapters.alarms.raise(effect.alarm).then(() => ({ type: 'alarm.raised' }));
    case 'catchUp':
      return catchUp(effect, performance);
    case 'lookUpChange':
      return withTimeout(effect, performance, async (signal) => {
        return { type: 'change.looked-up', change: await adapters.changes.lookUp(effect, signal) };
      });
    case 'mergePatchset':
      return mergePatchset(effect, performance);
    case 'createServer':
      return createServer(effect, performance);
    case 'fetchPatchset':
      return fetchPatchset(effect, performance);
    case 'runStage':
      return runStage(effect, performance);
    case 'stopStage':
      return stopStage(effect, performance);
    case 'runJanitor':
      return runJanitor(effect, performance);
    case 'stopJanitor':
      return stopJanitor(effect, performance);
    case 'readResults':
      return readResults(effect, performance);
    case 'collectEvidence':
      return withTimeout(effect, performance, async (signal) => {
        const collected = await adapters.evidence.collect(effect, signal);
        return { type: 'evidence.collected', ...collected };
      });
    case 'publishEvidence':
      return withTimeout(effect, performance, async (signal) => {
        return { type: 'evidence.published', url: await adapters.evidence.publish(effect, signal) };
      });
    case 'deleteServer':
      return deleteServer(effect, performance);
    case 'openServer':
      return openServer(effect, performance);
    case 'discardEvidence':
      return discardEvidence(effect, performance);
    case 'removeLeak':
      return removeLeak(effect, performance);
    case 'postReview':
      return postReview(effect, performance);
    case 'postStartMessage':
      return postStartMessage(effect, performance);
    case 'readChangeState':
      return readChangeState(effect, performance);
    case 'readVotes':
      return readVotes(effect, performance);
    case 'sendMail':
      return sendMail(effect, performance);
    default:
      return assertNever(effect);
  }
}

function catchUp(effect: EffectOf<'catchUp'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    return { type: 'catchup.completed', ...(await performance.adapters.catchUp.run(effect, signal)) };
  });
}

function discardEvidence(effect: EffectOf<'discardEvidence'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async () => {
    await performance.adapters.evidence.discard(effect.job, effect.part);
    return { type: 'evidence.discarded' };
  });
}

function stopJanitor(effect: EffectOf<'stopJanitor'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    await performance.adapters.janitors.stop(effect.run, signal);
    return { type: 'janitor.stopped' };
  });
}

function stopStage(effect: EffectOf<'stopStage'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    await performance.adapters.runner.stop(effect.run, signal);
    return { type: 'stage.stopped', stage: effect.run.stage };
  });
}

async function openServer(effect: EffectOf<'openServer'>, performance: Performance): Promise<AnyEvent> {
  const provider = providerOf(effect.server.provider, performance.adapters);
  return withTimeout(effect, performance, async (signal) => {
    return { type: 'server.opened', login: await provider.open(effect.server, signal) };
  });
}

function mergePatchset(effect: EffectOf<'mergePatchset'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    const { merged, ...outcome } = await performance.adapters.merger.merge(effect, signal);
    return 'trees' in outcome
      ? { type: 'patchset.merged', trees: outcome.trees }
      : { type: 'patchset.conflicted', ...outcome };
  });
}

async function createServer(effect: EffectOf<'createServer'>, performance: Performance): Promise<AnyEvent> {
  const provider = providerOf(effect.provider, performance.adapters);
  return withTimeout(effect, performance, async (signal) => {
    const adopted = performance.recovered ? await adopt(effect, provider, signal) : null;
    if (adopted === null && performance.serverUnneeded) throw notBegun(effect, NOT_NEEDED);
    const server = adopted ?? (await provider.create(effect, signal));
    const facts = await describeServer(server, provider, performance, signal);
    return { type: 'server.active', server, adopted: adopted !== null, ...(facts === null ? {} : { facts }) };
  });
}

/** A provider that takes longer has an outage, for which a job does not wait. */
const DESCRIBE_TIMEOUT_MS = 5_000;

/** Null: unknown. */
async function describeServer(
  server: Server,
  provider: Provider,
  { adapters: { hide }, clock, stopping }: Performance,
  signal: AbortSignal,
): Promise<ServerFacts | null> {
  const late = new AbortController();
  const cancel = clock.after(DESCRIBE_TIMEOUT_MS, () => late.abort());
  try {
    const facts = await provider.describe(server, AbortSignal.any([signal, late.signal]));
    return withoutSecrets(facts, hide);
  } catch (error) {
    if (stopping.aborted || !(error instanceof OperationError)) throw error;
    return null;
  } finally {
    cancel();
  }
}

function withoutSecrets(
  { image, flavor, system, ...facts }: ServerFacts,
  hide: Adapters['hide'],
): ServerFacts {
  const named = (one: ServerFacts['image']) =>
    one === null ? null : { id: hide(one.id), name: hide(one.name) };
  const os = system === null || system.os === null ? null : hide(system.os);
  return {
    ...facts,
    image: named(image),
    flavor: named(flavor),
    system: system === null ? null : { ...system, os },
  };
}

function fetchPatchset(effect: EffectOf<'fetchPatchset'>, performance: Performance): Promise<AnyEvent> {
  const { adapters, serverUnneeded } = performance;
  return withTimeout(effect, performance, async (signal) => {
    if (serverUnneeded) throw notBegun(effect, NOT_NEEDED);
    return { type: 'patchset.fetched', revision: await adapters.source.fetch(effect, signal) };
  });
}

const NOT_NEEDED = 'the job does not need it any more';

function notBegun(effect: OutsideEffect, why: string): OperationError {
  return new OperationError({
    operation: effect.type,
    target: effect.key,
    message: `not begun: ${why}`,
    retryable: false,
    hint: 'nothing to do',
  });
}

/** Returns the oldest usable server of this attempt, if an earlier daemon created one; removes any others. */
async function adopt(
  effect: EffectOf<'createServer'>,
  provider: Provider,
  signal: AbortSignal,
): Promise<Server | null> {
  const { deployment, job, attempt } = effect.owner;
  const ours = (await provider.list({ deployment, job }, signal)).filter(
    ({ owner }) => owner.attempt === attempt,
  );
  const oldest = ours.find(({ unfinished = false }) => !unfinished);
  const others = ours.filter((one) => one !== oldest);
  for (const { server } of others) await provider.delete(server, deployment, signal);
  return oldest?.server ?? null;
}

async function deleteServer(effect: EffectOf<'deleteServer'>, performance: Performance): Promise<AnyEvent> {
  const provider = providerOf(effect.provider, performance.adapters);
  const { deployment, job } = effect.owner;
  const { deleteRounds } = performance.bounds;
  return withTimeout(effect, performance, async (signal) => {
    const list = async () => {
      const left = await provider.list({ deployment, job }, signal);
      // After the effect was abandoned, the listed servers may belong to the next attempt.
      signal.throwIfAborted();
      return left;
    };
    const remove = ({ server }: OwnedServer) => provider.delete(server, deployment, signal);
    return { type: 'server.deleted', deleted: await deleteServers(list, remove, deleteRounds) };
  });
}

async function removeLeak(effect: EffectOf<'removeLeak'>, performance: Performance): Promise<AnyEvent> {
  const { leak, by, owner } = effect;
  const { server } = leak;
  const { adapters } = performance;
  return withTimeout(effect, performance, async (signal) => {
    if (server === null) await adapters.evidence.discard(owner.job, 'all');
    else await providerOf(server.provider, adapters).delete(server, owner.deployment, signal);
    return { type: 'leak.removed', leak, by };
  });
}

async function postReview(effect: EffectOf<'postReview'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    const outcome = await performance.adapters.reviewer.post(effect, signal, performance.recovered);
    if (outcome.posted) {
      const { found, voted, why } = outcome;
      return { type: 'review.posted', found, voted, why };
    }
    const { change, patchset } = effect.patchset;
    const failure = {
      operation: 'vote',
      target: `${change},${patchset}`,
      message: outcome.refused,
      retryable: false,
      hint: 'grant our account the permission to vote on this label, or remove `label` from the configuration',
    };
    return { type: 'vote.rejected', failure };
  });
}

function readChangeState(effect: EffectOf<'readChangeState'>, performance: Performance): Promise<AnyEvent> {
  const { reviewer, activeJobs } = performance.adapters;
  return withTimeout(effect, performance, async (signal) => {
    const { change, vote, kinds } = await reviewer.readChangeState(effect, signal);
    const { status, patchset } = change;
    return {
      type: 'change-state.read',
      change: { status, patchset, vote, kinds },
      jobs: activeJobs(change),
    };
  });
}

function readVotes(effect: EffectOf<'readVotes'>, performance: Performance): Promise<AnyEvent> {
  return withTimeout(effect, performance, async (signal) => {
    return { type: 'votes.read', votes: await performance.adapters.reviewer.readVotes(effect, signal) };
  });
}

/** Posts as `postReview` does, without labels. */
function postStartMessage(effect: EffectOf<'postStartMessage'>, performance: Performance): Promise<AnyEvent> {
  const review = { ...effect, type: 'postReview', labels: {} } as const;
  return withTimeout(effect, performance, async (signal) => {
    await performance.adapters.reviewer.post(review, signal, performance.recovered);
    return { type: 'start-message.posted' };
  });
}

function providerOf(name: string, adapters: Adapters): Provider {
  const provider = adapters.providers.get(name);
  if (provider !== undefined) return provider;
  throw new OperationError({
    operation: 'find provider',
    target: name,
    message: 'the job was accepted for a provider that is not in the configuration any more',
    retryable: false,
    hint: 'add the provider again until its jobs have ended',
  });
}
