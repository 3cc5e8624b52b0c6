/**
 * The queue in serving order: each job's position at its provider, and why it waits. Reads the store and uses the daemon's
 * own queue rules.
 */
import type { DaemonView, JobView, StoreReader } from '../../engine/ports/store.ts';
import { heldSlots } from '../../machines/hold/open-holds.ts';
import { heldBackends } from '../../machines/janitor/cleanings.ts';
import {
  asJanitor,
  type BlockedBy,
  blockedBy,
  fairShareKey,
  type SlotHolder,
  type SlotLimits,
  type SlotQueue,
  type SlotRequest,
  servingOrder,
} from '../../machines/slot-queue.ts';
import { versionOf } from '../../machines/versions.ts';
import { plainText } from '../../terminal-text.ts';
import { count } from '../output/event.ts';
import type { Io } from '../output/terminal.ts';
import { utc } from '../output/time.ts';

export interface Waiting {
  readonly job: JobView;
  /** Its position in its provider's queue, from 1; null while its change is being prepared. */
  readonly position: number | null;
  readonly promoted: boolean;
  readonly since: number;
  readonly why: string;
}

/** The open jobs that are read; a lab has far fewer. */
export const MAX_OPEN = 10_000;
const NO_LIMITS: SlotLimits = {
  ...{ slots: {}, jobs: {}, projects: {}, backends: {} },
  starvationTimeoutMs: 0,
};

/** First the jobs that wait for a slot, by provider and position; then those still in preparation, oldest first. */
export function readQueue(io: Io, reader: StoreReader): readonly Waiting[] {
  const open = reader.jobs({ open: true, limit: MAX_OPEN });
  const waiting = open.filter(({ queued }) => queued).reverse();
  if (waiting.length === 0) return [];
  const daemon = reader.daemon();
  const requests = readRequests(reader);
  const queue = { waiting: requests, holders: readHolders(reader, open), served: readServedTimes(reader) };
  const limits = daemon?.limits ?? NO_LIMITS;
  const idle = whyIdle(io, daemon);
  const jobs = new Map(waiting.map((job) => [job.id, job]));
  const ofJobs = requests.filter(({ isJanitor = false }) => !isJanitor);
  const placed = [...new Set(ofJobs.map(({ provider }) => provider))].sort().flatMap((provider) =>
    servingOrder(provider, queue, limits, io.now(), MAX_OPEN).flatMap((request, index): Waiting[] => {
      const job = jobs.get(request.history);
      if (job === undefined) return [];
      jobs.delete(job.id);
      const why = idle ?? whyText(request, queue, limits, io.now());
      return [{ job, position: index + 1, promoted: request.promoted, since: request.requestedAt, why }];
    }),
  );
  const preparing = [...jobs.values()].map((job): Waiting => {
    const stored = reader.stored(job.id);
    const promoted = stored !== null && versionOf(stored).isPromoted(stored);
    return { job, position: null, promoted, since: job.acceptedAt, why: preparationText(reader, job) };
  });
  return [...placed, ...preparing];
}

/** Why this cleaning waits for its back ends; '' before another attempt, when it waits for its time. */
export function whyBackendsAreBusy(io: Io, reader: StoreReader, cleaning: string): string {
  const requests = readRequests(reader);
  const request = requests.find(({ history }) => history === cleaning);
  if (request === undefined) return '';
  const daemon = reader.daemon();
  const open = reader.jobs({ open: true, limit: MAX_OPEN });
  const queue = { waiting: requests, holders: readHolders(reader, open), served: readServedTimes(reader) };
  return whyIdle(io, daemon) ?? whyText(request, queue, daemon?.limits ?? NO_LIMITS, io.now());
}

function readRequests(reader: StoreReader): readonly SlotRequest[] {
  return reader.outbox().flatMap(({ history, effect, requestedAt, seq }): readonly SlotRequest[] => {
    const common = { key: effect.key, history, requestedAt, order: seq };
    if (effect.type === 'acquireBackends') return [{ ...asJanitor(effect), ...common }];
    return effect.type === 'acquireSlot' ? [{ ...effect, ...common }] : [];
  });
}

function readHolders(reader: StoreReader, open: readonly JobView[]): readonly SlotHolder[] {
  const jobs = open.flatMap(({ id }) => reader.stored(id) ?? []);
  return [
    ...jobs.flatMap((stored) => versionOf(stored).heldSlot(stored) ?? []),
    ...heldSlots(reader),
    ...heldBackends(reader),
  ];
}

/** The times of service as the daemon keeps them: strictly increasing. */
function readServedTimes(reader: StoreReader): SlotQueue['served'] {
  const served = new Map<string, number>();
  let last = 0;
  for (const row of reader.lastServed()) {
    last = Math.max(row.at, last + 1);
    served.set(fairShareKey(row), last);
  }
  return served;
}

/** Why no job at all is served, or null. */
function whyIdle(io: Io, daemon: DaemonView | null): string | null {
  if (daemon === null || daemon.mode === 'stopped' || !io.alive(daemon.pid, daemon.startTicks))
    return 'no daemon is running';
  return daemon.mode === 'draining' ? 'the daemon is draining; the next one serves it' : null;
}

function whyText(request: SlotRequest, queue: SlotQueue, limits: SlotLimits, now: number): string {
  const obstacle = blockedBy(request, queue, limits, now);
  if (obstacle === null) return request.isJanitor ? 'it begins now' : 'it gets a slot now';
  return obstacleText(obstacle, limits, queue, request.isJanitor ?? false);
}

function obstacleText(
  obstacle: BlockedBy,
  { slotReasons = {} }: SlotLimits,
  { holders }: Pick<SlotQueue, 'holders'>,
  isJanitor: boolean,
): string {
  const { by, name } = obstacle;
  switch (by) {
    case 'provider': {
      const reason = slotReasons[name] === undefined ? '' : ` (${plainText(slotReasons[name])})`;
      if (obstacle.limit === 0) return `${name} has no slots now${reason}`;
      const held = holders.filter(({ provider, isHeld }) => provider === name && isHeld === true).length;
      return held === 0
        ? `${name} is full: ${jobsText(obstacle.limit)}${reason}`
        : `${name} is full: ${count(obstacle.limit, 'slot')}, ${count(held, 'held server')} (sos-ci holds)${reason}`;
    }
    case 'project':
      return `${name} already has ${jobsText(obstacle.limit)}, its limit`;
    case 'job':
      return `at most ${jobsText(obstacle.limit)} called ${name} may run at a time`;
    case 'backend': {
      const using = holders.filter(({ backends = [] }) => backends.includes(name)).length;
      return isJanitor
        ? `back end ${name} is in use by ${jobsText(using)}`
        : `back end ${name} is in use: at most ${jobsText(obstacle.limit)} may use it at a time`;
    }
    case 'janitor':
      return `janitor ${name} has back end ${obstacle.backend}`;
    case 'starvation':
      return `the next slot of ${name} is reserved for ${obstacle.history}, which has waited longer`;
  }
}

function jobsText(number: number): string {
  return number === 1 ? 'one job' : `${number} jobs`;
}

/** What its review is doing. */
function preparationText(reader: StoreReader, { review }: JobView): string {
  const stored = reader.stored(review);
  const preparation = stored === null ? null : versionOf(stored).describePreparation(stored);
  if (preparation === null) return 'preparing the change';
  return preparation.text + (preparation.due === null ? '' : dueText(reader, review, preparation.due));
}

/** The timer of the review's state; each state has at most one. */
function dueText(reader: StoreReader, review: string, preposition: 'at' | 'until'): string {
  const timer = reader.outbox(review).find(({ effect }) => effect.type === 'setTimer')?.effect;
  return timer?.type === 'setTimer' ? ` ${preposition} ${utc(timer.dueAt)}` : '';
}
