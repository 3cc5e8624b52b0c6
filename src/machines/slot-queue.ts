/**
 * Who gets a free slot. Promoted requests first; then the project whose turn on this provider is longest ago; then the
 * oldest request, counting its head start. Pure, so that the daemon and whoever only looks at its queue agree.
 *
 * Nobody starves, whatever arrives: a project that waits is served before any other is served a second time on that
 * provider (a project with a priority may be served again for as long as that, and no longer). A request that a limit of
 * its project or job keeps back although its provider has room could still be overtaken forever, by others that run
 * elsewhere: so the oldest one that lost its patience keeps one place of each of its limits for itself.
 */

/** A job that waits for a slot. */
export interface SlotRequest {
  readonly history: string;
  readonly key: string;
  readonly provider: string;
  /** The job's name. */
  readonly name: string;
  readonly project: string;
  readonly headStartMs: number;
  readonly promoted: boolean;
  readonly requestedAt: number;
  /** Grows from request to request. */
  readonly order: number;
}

/** What a job that has a slot counts against. */
export type SlotHolder = Pick<SlotRequest, 'provider' | 'name' | 'project'>;

/** Plain JSON: a daemon shows it beside its queue. What is not named has no slot (a provider) or no limit. */
export interface SlotLimits {
  /** Jobs at the same time by provider. */
  readonly slots: Readonly<Record<string, number>>;
  /** Jobs at the same time by job name. */
  readonly jobs: Readonly<Record<string, number>>;
  readonly projects: Readonly<Record<string, ProjectLimits>>;
  /** After this a request keeps places of its project's and its job's limits for itself. */
  readonly patienceMs: number;
}

export interface ProjectLimits {
  /** Jobs at the same time; null: no limit. */
  readonly concurrency: number | null;
  /** Its last turn counts as longer ago by this. */
  readonly priorityMs: number;
}

export interface SlotQueue {
  readonly waiting: readonly SlotRequest[];
  readonly holders: readonly SlotHolder[];
  /** When each project was last served on each provider, by `turnOf`; grows from turn to turn. */
  readonly served: ReadonlyMap<string, number>;
}

/** Why a request is not served now. */
export type BlockedBy =
  | { readonly by: 'provider' | 'project' | 'job'; readonly name: string; readonly limit: number }
  /** The last place of this limit is kept for a request that has waited for too long. */
  | { readonly by: 'patience'; readonly name: string; readonly history: string };

/** The request that is served next, or null when none can be. */
export function nextRequest(queue: SlotQueue, limits: SlotLimits, now: number): SlotRequest | null {
  const count = counts(queue.holders);
  const keepers = reservations(queue.waiting, limits, now);
  let best: SlotRequest | null = null;
  for (const request of queue.waiting) {
    if (obstacleIn(request, limits, count, keepers) !== null) continue;
    if (best === null || compare(request, best, queue.served, limits) < 0) best = request;
  }
  return best;
}

/** What keeps one of the waiting requests back, or null: it is only not its turn. */
export function blockedBy(
  request: SlotRequest,
  queue: SlotQueue,
  limits: SlotLimits,
  now: number,
): BlockedBy | null {
  return obstacleIn(request, limits, counts(queue.holders), reservations(queue.waiting, limits, now));
}

/** The first `most` requests of one provider as they will be served, as far as nothing but its slots keeps them back. */
export function servingOrder(
  provider: string,
  queue: SlotQueue,
  limits: SlotLimits,
  now: number,
  most: number,
): readonly SlotRequest[] {
  const left = queue.waiting.filter((request) => request.provider === provider);
  const served = new Map(queue.served);
  let turn = Math.max(now, ...served.values());
  const order: SlotRequest[] = [];
  while (left.length > 0 && order.length < most) {
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

/** The key of a project's turns on a provider: a project that is served often elsewhere must not wait here for that. */
export function fairShareKey(holder: Pick<SlotHolder, 'provider' | 'project'>): string {
  return `${holder.provider}\n${holder.project}`;
}

/** Below zero when `one` comes before `other`. Never zero for two different requests. */
function compare(
  one: SlotRequest,
  other: SlotRequest,
  served: ReadonlyMap<string, number>,
  limits: SlotLimits,
): number {
  if (one.promoted !== other.promoted) return one.promoted ? -1 : 1;
  // The newest promotion is the one that somebody wants at the head of the queue now.
  if (one.promoted) return other.order - one.order;
  const [mine, theirs] = [turn(one, served, limits), turn(other, served, limits)];
  if (mine !== theirs) return mine < theirs ? -1 : 1;
  const older = age(one, limits) - age(other, limits);
  return older === 0 ? one.order - other.order : older;
}

function turn(request: SlotRequest, served: ReadonlyMap<string, number>, limits: SlotLimits): number {
  return (served.get(fairShareKey(request)) ?? Number.NEGATIVE_INFINITY) - priority(request, limits);
}

/** The time at which it would have had to be made without its head starts. */
function age(request: SlotRequest, limits: SlotLimits): number {
  return request.requestedAt - request.headStartMs - priority(request, limits);
}

function priority({ project }: SlotRequest, limits: SlotLimits): number {
  return own(limits.projects, project)?.priorityMs ?? 0;
}

/** A limit that several providers' jobs count against. */
interface Cap {
  readonly by: 'project' | 'job';
  readonly name: string;
  readonly limit: number;
}

function capsOf({ name, project }: SlotHolder, limits: SlotLimits): readonly Cap[] {
  const caps: Cap[] = [];
  const ofProject = own(limits.projects, project)?.concurrency ?? null;
  if (ofProject !== null) caps.push({ by: 'project', name: project, limit: ofProject });
  const ofJob = own(limits.jobs, name);
  if (ofJob !== undefined) caps.push({ by: 'job', name, limit: ofJob });
  return caps;
}

function obstacleIn(
  request: SlotRequest,
  limits: SlotLimits,
  count: ReadonlyMap<string, number>,
  keepers: ReadonlyMap<string, SlotRequest>,
): BlockedBy | null {
  const used = (by: string, name: string) => count.get(`${by}\n${name}`) ?? 0;
  const slots = own(limits.slots, request.provider) ?? 0;
  if (used('provider', request.provider) >= slots)
    return { by: 'provider', name: request.provider, limit: slots };
  for (const cap of capsOf(request, limits)) {
    const free = cap.limit - used(cap.by, cap.name);
    if (free <= 0) return cap;
    const keeper = keepers.get(`${cap.by}\n${cap.name}`);
    if (free > 1 || request.promoted || keeper === undefined || keeper.history === request.history) continue;
    return { by: 'patience', name: cap.name, history: keeper.history };
  }
  return null;
}

/** For each limit the oldest request that waits for it, among those that have waited for too long. */
function reservations(
  waiting: readonly SlotRequest[],
  limits: SlotLimits,
  now: number,
): ReadonlyMap<string, SlotRequest> {
  const keepers = new Map<string, SlotRequest>();
  for (const request of waiting) {
    if (now - request.requestedAt < limits.patienceMs) continue;
    for (const { by, name } of capsOf(request, limits)) {
      const known = keepers.get(`${by}\n${name}`);
      const older = known === undefined ? -1 : age(request, limits) - age(known, limits);
      if (known === undefined || older < 0 || (older === 0 && request.order < known.order))
        keepers.set(`${by}\n${name}`, request);
    }
  }
  return keepers;
}

function counts(holders: readonly SlotHolder[]): ReadonlyMap<string, number> {
  const found = new Map<string, number>();
  for (const { provider, name, project } of holders) {
    for (const key of [`provider\n${provider}`, `job\n${name}`, `project\n${project}`])
      found.set(key, (found.get(key) ?? 0) + 1);
  }
  return found;
}

/** The value under a name that somebody else has chosen. */
function own<V>(record: Readonly<Record<string, V>>, name: string): V | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}
