/**
 * Assigns free slots. Promoted requests come first, then the project whose last turn on this provider was longest ago,
 * then the oldest request including its head start. Pure, so that the daemon and the commands that show its queue
 * agree.
 *
 * No project starves: a waiting project is served before any other is served twice on that provider. A project with a
 * priority may be served again during its priority time, and no longer. A request that is blocked by a limit of its
 * project, job or back ends, although its provider has free slots, could still be overtaken forever by jobs on other
 * providers. So after `starvationTimeoutMs` the oldest such request reserves the last free slot of each of its limits.
 *
 * A janitor takes all units of its back ends, and no slot. It comes after every job that can start, so it uses a pause
 * between jobs. If there is none, it reserves its back ends like any other request: no new job gets one of them until
 * the janitor has had its turn. A later request of the same janitor waits just as long again, so no job starves either.
 */

/** A job that waits for a slot, or a janitor that waits for its back ends. */
export interface SlotRequest {
  readonly history: string;
  readonly key: string;
  /** '' for a janitor. */
  readonly provider: string;
  /** The job's or the janitor's name. */
  readonly name: string;
  /** '' for a janitor. */
  readonly project: string;
  /** The back ends that it uses: a job one unit of each, a janitor all of them; absent: none. */
  readonly backends?: readonly string[];
  /** It takes no slot, and counts towards nothing but its back ends. */
  readonly isJanitor?: true;
  readonly headStartMs: number;
  readonly promoted: boolean;
  readonly requestedAt: number;
  /** Increases with each request. */
  readonly order: number;
}

type Counted = 'provider' | 'name' | 'project' | 'backends' | 'isJanitor';

/** What a job with a slot, or a janitor with its back ends, counts towards. */
export interface SlotHolder extends Pick<SlotRequest, Counted> {
  /** The server of a job that has ended: it counts only towards its provider. */
  readonly isHeld?: true;
}

/**
 * Plain JSON: a daemon shows it with its queue. A provider that is missing here has no slots; a job, project or
 * back end that is missing has no limit.
 */
export interface SlotLimits {
  /** Maximum number of running jobs by provider. */
  readonly slots: Readonly<Record<string, number>>;
  /** Why a provider has fewer slots than configured, for people. */
  readonly slotReasons?: Readonly<Record<string, string>>;
  /** Maximum number of running jobs by job name. */
  readonly jobs: Readonly<Record<string, number>>;
  readonly projects: Readonly<Record<string, ProjectLimits>>;
  /** Maximum number of running jobs that use a back end, by its name. */
  readonly backends: Readonly<Record<string, number>>;
  /** After waiting this long, a request reserves the last free slot of the limits of its project, job and back ends. */
  readonly starvationTimeoutMs: number;
}

export interface ProjectLimits {
  /** Maximum number of running jobs; null: no limit. */
  readonly concurrency: number | null;
  /** The project's last turn counts as this much longer ago. */
  readonly priorityMs: number;
}

export interface SlotQueue {
  readonly waiting: readonly SlotRequest[];
  readonly holders: readonly SlotHolder[];
  /** The last turn of each project on each provider, by `fairShareKey`; turns increase. */
  readonly served: ReadonlyMap<string, number>;
}

/** Why a request is not served now. */
export type BlockedBy =
  | { readonly by: 'provider' | 'project' | 'job' | 'backend'; readonly name: string; readonly limit: number }
  /** This janitor has the back end. */
  | { readonly by: 'janitor'; readonly name: string; readonly backend: string }
  /** The last free slot of this limit is reserved for a request that has waited too long. */
  | { readonly by: 'starvation'; readonly name: string; readonly history: string };

/** The request of a janitor, and what it counts towards with its back ends. */
export function asJanitor({
  name,
  backends,
}: {
  readonly name: string;
  readonly backends: readonly string[];
}) {
  const ofNoJob = { provider: '', project: '', headStartMs: 0, promoted: false } as const;
  return { ...ofNoJob, name, backends, isJanitor: true } as const;
}

/** The request to serve next, or null. */
export function nextRequest(queue: SlotQueue, limits: SlotLimits, now: number): SlotRequest | null {
  const used = usageOf(queue.holders);
  const reserved = reservations(queue.waiting, limits, now);
  let best: SlotRequest | null = null;
  for (const request of queue.waiting) {
    if (obstacleIn(request, limits, used, reserved) !== null) continue;
    if (best === null || compare(request, best, queue.served, limits) < 0) best = request;
  }
  return best;
}

/** Why a waiting request cannot be served, or null if it only waits for its turn. */
export function blockedBy(
  request: SlotRequest,
  queue: SlotQueue,
  limits: SlotLimits,
  now: number,
): BlockedBy | null {
  return obstacleIn(request, limits, usageOf(queue.holders), reservations(queue.waiting, limits, now));
}

/**
 * The first `maxCount` requests of one provider in the order in which they will be served, considering only the
 * provider's slots.
 */
export function servingOrder(
  provider: string,
  queue: SlotQueue,
  limits: SlotLimits,
  now: number,
  maxCount: number,
): readonly SlotRequest[] {
  const left = queue.waiting.filter((request) => request.provider === provider);
  const served = new Map(queue.served);
  let turn = Math.max(now, ...served.values());
  const order: SlotRequest[] = [];
  while (left.length > 0 && order.length < maxCount) {
    const next = left.reduce((best, request) =>
      compare(request, best, served, limits) < 0 ? request : best,
    );
    left.splice(left.indexOf(next), 1);
    turn += 1;
    served.set(fairShareKey(next), turn);
    order.push(next);
  }
  return order;
}

/** The key of a project's turns on one provider: turns on other providers do not count. */
export function fairShareKey(holder: Pick<SlotHolder, 'provider' | 'project'>): string {
  return `${holder.provider}\n${holder.project}`;
}

/** Negative when `one` comes before `other`. Never zero for two different requests. */
function compare(
  one: SlotRequest,
  other: SlotRequest,
  served: ReadonlyMap<string, number>,
  limits: SlotLimits,
): number {
  if (one.isJanitor !== other.isJanitor) return one.isJanitor ? 1 : -1;
  if (one.promoted !== other.promoted) return one.promoted ? -1 : 1;
  // The newest promotion comes first.
  if (one.promoted) return other.order - one.order;
  const [oneTurn, otherTurn] = [turn(one, served, limits), turn(other, served, limits)];
  if (oneTurn !== otherTurn) return oneTurn < otherTurn ? -1 : 1;
  const older = age(one, limits) - age(other, limits);
  return older === 0 ? one.order - other.order : older;
}

function turn(request: SlotRequest, served: ReadonlyMap<string, number>, limits: SlotLimits): number {
  return (served.get(fairShareKey(request)) ?? Number.NEGATIVE_INFINITY) - priority(request, limits);
}

/** The request time minus head start and priority. */
function age(request: SlotRequest, limits: SlotLimits): number {
  return request.requestedAt - request.headStartMs - priority(request, limits);
}

function priority({ project }: SlotRequest, limits: SlotLimits): number {
  return ownValue(limits.projects, project)?.priorityMs ?? 0;
}

/** A limit that applies across providers. */
interface Cap {
  readonly by: 'project' | 'job' | 'backend';
  readonly name: string;
  readonly limit: number;
}

function capsOf({ name, project, backends = [], isJanitor }: SlotHolder, limits: SlotLimits): readonly Cap[] {
  // Also those without a limit: a back end that a reload removed may be in use, and a janitor may wait for it.
  const ofBackends = backends.map((backend): Cap => {
    return {
      by: 'backend',
      name: backend,
      limit: ownValue(limits.backends, backend) ?? Number.POSITIVE_INFINITY,
    };
  });
  if (isJanitor) return ofBackends;
  const caps: Cap[] = [];
  const ofProject = ownValue(limits.projects, project)?.concurrency ?? null;
  if (ofProject !== null) caps.push({ by: 'project', name: project, limit: ofProject });
  const ofJob = ownValue(limits.jobs, name);
  if (ofJob !== undefined) caps.push({ by: 'job', name, limit: ofJob });
  return [...caps, ...ofBackends];
}

function obstacleIn(
  request: SlotRequest,
  limits: SlotLimits,
  { count, janitors }: Usage,
  reserved: ReadonlyMap<string, SlotRequest>,
): BlockedBy | null {
  const used = (by: string, name: string) => count.get(`${by}\n${name}`) ?? 0;
  const slots = ownValue(limits.slots, request.provider) ?? 0;
  if (!request.isJanitor && used('provider', request.provider) >= slots)
    return { by: 'provider', name: request.provider, limit: slots };
  const cleaned = request.backends?.find((backend) => janitors.has(backend));
  if (cleaned !== undefined) return { by: 'janitor', name: janitors.get(cleaned) ?? '', backend: cleaned };
  for (const cap of capsOf(request, limits)) {
    const free = cap.limit - used(cap.by, cap.name);
    if (request.isJanitor ? used(cap.by, cap.name) > 0 : free <= 0) return cap;
    const holder = reserved.get(`${cap.by}\n${cap.name}`);
    if (holder === undefined || holder.history === request.history || request.promoted) continue;
    if (free > 1 && !holder.isJanitor && !request.isJanitor) continue;
    return { by: 'starvation', name: cap.name, history: holder.history };
  }
  return null;
}

/** For each limit, the oldest of the requests that have waited too long for it. */
function reservations(
  waiting: readonly SlotRequest[],
  limits: SlotLimits,
  now: number,
): ReadonlyMap<string, SlotRequest> {
  const reserved = new Map<string, SlotRequest>();
  for (const request of waiting) {
    if (now - request.requestedAt < limits.starvationTimeoutMs) continue;
    // A provider without slots could not use the reservation, which would only keep others from their slots.
    if (!request.isJanitor && (ownValue(limits.slots, request.provider) ?? 0) === 0) continue;
    for (const { by, name } of capsOf(request, limits)) {
      const known = reserved.get(`${by}\n${name}`);
      const older = known === undefined ? -1 : age(request, limits) - age(known, limits);
      if (known === undefined || older < 0 || (older === 0 && request.order < known.order))
        reserved.set(`${by}\n${name}`, request);
    }
  }
  return reserved;
}

interface Usage {
  readonly count: ReadonlyMap<string, number>;
  /** The janitor that has a back end, by the back end's name. */
  readonly janitors: ReadonlyMap<string, string>;
}

function usageOf(holders: readonly SlotHolder[]): Usage {
  const count = new Map<string, number>();
  const janitors = new Map<string, string>();
  for (const holder of holders) {
    for (const key of countedKeys(holder)) count.set(key, (count.get(key) ?? 0) + 1);
    if (holder.isJanitor) for (const backend of holder.backends ?? []) janitors.set(backend, holder.name);
  }
  return { count, janitors };
}

/** The keys of each holder: each grant counts all holders, which must not build the same strings again. */
const KEYS = new WeakMap<SlotHolder, readonly string[]>();

function countedKeys(holder: SlotHolder): readonly string[] {
  const known = KEYS.get(holder);
  if (known !== undefined) return known;
  const keys = keysOf(holder);
  KEYS.set(holder, keys);
  return keys;
}

function keysOf({
  provider,
  name,
  project,
  backends = [],
  isHeld,
  isJanitor,
}: SlotHolder): readonly string[] {
  if (isJanitor) return [];
  if (isHeld) return [`provider\n${provider}`];
  const ofBackends = backends.map((backend) => `backend\n${backend}`);
  return [`provider\n${provider}`, `job\n${name}`, `project\n${project}`, ...ofBackends];
}

/** Names come from the configuration, so inherited properties must not match. */
function ownValue<V>(record: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
