/**
 * For any arrivals in any order: no limit is exceeded, no request that could run waits, the same arrivals are served in
 * the same order, and no request starves while others keep arriving.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  asJanitor,
  blockedBy,
  fairShareKey,
  nextRequest,
  type SlotHolder,
  type SlotLimits,
  type SlotRequest,
} from '../../src/machines/slot-queue.ts';
import { runs } from '../fixtures/effort.ts';

const PROVIDERS = ['local', 'cloud'] as const;
const PROJECTS = ['cinder', 'nova', 'brick'] as const;
const JOBS = ['unit', 'volume', 'image'] as const;
const BACKENDS = ['array', 'switch'] as const;
const STARVATION_TIMEOUT_MS = 20;
const HEAD_START_MAX_MS = 30;
const LONGEST_MS = 12;

/** A job that requests a slot; in the starvation tests it requests one again and again. */
interface Demand {
  readonly provider: string;
  readonly name: string;
  readonly project: string;
  readonly backends?: readonly string[];
  readonly headStartMs: number;
  readonly takesMs: number;
  readonly isJanitor?: boolean;
}

const demand: fc.Arbitrary<Demand> = fc.record({
  provider: fc.constantFrom(...PROVIDERS),
  name: fc.constantFrom(...JOBS),
  project: fc.constantFrom(...PROJECTS),
  backends: fc.subarray([...BACKENDS]),
  headStartMs: fc.nat({ max: HEAD_START_MAX_MS }),
  takesMs: fc.integer({ min: 1, max: LONGEST_MS }),
  // One in eight, and only with back ends.
  isJanitor: fc.nat({ max: 7 }).map((drawn) => drawn === 0),
});

const concurrency = fc.option(fc.integer({ min: 1, max: 3 }), { nil: null });
const limits: fc.Arbitrary<SlotLimits> = fc
  .record({
    slots: fc.record({ local: fc.integer({ min: 1, max: 3 }), cloud: fc.integer({ min: 1, max: 3 }) }),
    jobs: fc.dictionary(fc.constantFrom(...JOBS), fc.integer({ min: 1, max: 3 })),
    projects: fc.dictionary(
      fc.constantFrom(...PROJECTS),
      fc.record({ concurrency, priorityMs: fc.nat({ max: 20 }) }),
    ),
    backends: fc.dictionary(fc.constantFrom(...BACKENDS), fc.integer({ min: 1, max: 3 })),
  })
  .map((drawn) => ({ ...drawn, starvationTimeoutMs: STARVATION_TIMEOUT_MS }));

/** Simulates the providers and the queue; each step is one millisecond. */
class QueueSimulation {
  now = 0;
  readonly waiting: (SlotRequest & { readonly demand: Demand })[] = [];
  readonly running: { readonly holder: SlotHolder; readonly demand: Demand; readonly until: number }[] = [];
  readonly granted: string[] = [];
  readonly #served = new Map<string, number>();
  readonly #limits: SlotLimits;
  #requests = 0;
  #turn = 0;

  constructor(given: SlotLimits) {
    this.#limits = given;
  }

  request(demand: Demand, promoted = false): string {
    const order = ++this.#requests;
    const history = `job-${order}`;
    const { provider, name, project, backends = [], headStartMs } = demand;
    const isJanitor = (demand.isJanitor ?? false) && backends.length > 0;
    const kind = isJanitor
      ? asJanitor({ name, backends })
      : { provider, name, project, backends, headStartMs, promoted };
    this.waiting.push({ history, key: 'slot', ...kind, requestedAt: this.now, order, demand });
    return history;
  }

  get queue() {
    return { waiting: this.waiting, holders: this.running.map(({ holder }) => holder), served: this.#served };
  }

  /** Gives all slots that can be given; returns what began. */
  serve(): readonly Demand[] {
    const begun: Demand[] = [];
    for (;;) {
      const next = nextRequest(this.queue, this.#limits, this.now);
      if (next === null) return begun;
      const [granted] = this.waiting.splice(
        this.waiting.findIndex(({ history }) => history === next.history),
        1,
      );
      if (granted === undefined) throw new Error('granted to an unknown request');
      this.granted.push(granted.history);
      this.running.push({
        holder: granted,
        demand: granted.demand,
        until: this.now + granted.demand.takesMs,
      });
      this.#turn = Math.max(this.now, this.#turn + 1);
      this.#served.set(fairShareKey(granted), this.#turn);
      begun.push(granted.demand);
    }
  }

  /** Advances by a millisecond, and removes the jobs that have ended. */
  tick(): void {
    this.now += 1;
    for (const one of this.running.filter(({ until }) => until <= this.now))
      this.running.splice(this.running.indexOf(one), 1);
  }

  /** Limits that are exceeded. */
  exceededLimits(): readonly string[] {
    const used = (what: keyof SlotHolder, value: string) =>
      this.running.filter(({ holder }) => holder[what] === value && !holder.isJanitor).length;
    const using = (name: string) => this.running.filter(({ holder }) => holder.backends?.includes(name));
    const { slots, jobs, projects, backends } = this.#limits;
    return [
      ...Object.entries(slots).filter(([name, most]) => used('provider', name) > most),
      ...Object.entries(jobs).filter(([name, most]) => used('name', name) > most),
      ...Object.entries(projects).filter(
        ([name, { concurrency: most }]) => most !== null && used('project', name) > most,
      ),
      ...Object.entries(backends).filter(([name, most]) => using(name).length > most),
      ...BACKENDS.filter(
        (name) => using(name).length > 1 && using(name).some(({ holder }) => holder.isJanitor),
      ).map((name) => [name]),
    ].map(([name]) => `${name} at ${this.now}`);
  }
}

const arrivals = fc.array(fc.tuple(fc.nat({ max: 3 }), demand, fc.boolean()), { maxLength: 60 });

function run(given: SlotLimits, all: readonly (readonly [number, Demand, boolean])[]): QueueSimulation {
  const simulation = new QueueSimulation(given);
  for (const [pauseMs, demand, promoted] of all) {
    for (let ms = 0; ms < pauseMs; ms += 1) step(simulation);
    simulation.request(demand, promoted);
    step(simulation);
  }
  for (let ms = 0; ms < all.length * LONGEST_MS && simulation.waiting.length > 0; ms += 1) step(simulation);
  return simulation;
}

function step(simulation: QueueSimulation): void {
  simulation.serve();
  if (simulation.exceededLimits().length > 0) throw new Error(simulation.exceededLimits().join(', '));
  simulation.tick();
}

describe('for any requests', () => {
  test('no limit is exceeded, and everything that waits is served when no more arrive', () => {
    fc.assert(
      fc.property(limits, arrivals, (given, all) => {
        const simulation = run(given, all);
        expect(simulation.waiting).toEqual([]);
        expect(simulation.granted).toHaveLength(all.length);
      }),
      { numRuns: runs(300) },
    );
  });

  test('the order of service does not depend on the order of the list', () => {
    fc.assert(
      fc.property(limits, arrivals, fc.nat(), (given, all, seed) => {
        const [one, other] = [run(given, all), run(given, all)];
        expect(other.granted).toEqual(one.granted);
        const simulation = new QueueSimulation(given);
        for (const [, demand, promoted] of all) simulation.request(demand, promoted);
        const at = all.length === 0 ? 0 : seed % all.length;
        const turned = [...simulation.waiting.slice(at), ...simulation.waiting.slice(0, at)].reverse();
        const next = nextRequest(simulation.queue, given, 5);
        expect(nextRequest({ ...simulation.queue, waiting: turned }, given, 5)).toEqual(next);
      }),
      { numRuns: runs(200) },
    );
  });

  test('whatever still waits is blocked by a named limit', () => {
    fc.assert(
      fc.property(limits, arrivals, (given, all) => {
        const simulation = new QueueSimulation(given);
        for (const [, demand, promoted] of all) simulation.request(demand, promoted);
        simulation.serve();
        for (const request of simulation.waiting)
          expect(blockedBy(request, simulation.queue, given, simulation.now)).not.toBeNull();
      }),
      { numRuns: runs(200) },
    );
  });
});

/**
 * The longest wait of one request while all others request again as soon as they are served: the starvation timeout,
 * plus all requests that count as older, each after every other project had its turn.
 */
function longestWait(rivals: number, given: SlotLimits): number {
  const priority = Math.max(0, ...Object.values(given.projects).map(({ priorityMs }) => priorityMs));
  const older = rivals * (1 + HEAD_START_MAX_MS + priority);
  return STARVATION_TIMEOUT_MS + older * (PROJECTS.length + priority + 1) * LONGEST_MS;
}

/** @param once requests that arrive first, and only once */
function waitOf(
  target: Demand,
  rivals: readonly Demand[],
  given: SlotLimits,
  once: readonly Demand[] = [],
): number {
  const simulation = new QueueSimulation(given);
  const bound = longestWait(rivals.length, given);
  for (const demand of [...once, ...rivals]) simulation.request(demand);
  for (let ms = 0; ms < 3 * LONGEST_MS; ms += 1) {
    for (const begun of simulation.serve()) if (!once.includes(begun)) simulation.request(begun);
    simulation.tick();
  }
  const history = simulation.request(target);
  const requestedAt = simulation.now;
  while (simulation.now - requestedAt <= bound) {
    for (const begun of simulation.serve()) if (begun !== target) simulation.request(begun);
    if (simulation.granted.includes(history)) return simulation.now - requestedAt;
    simulation.tick();
  }
  throw new Error(`not served within ${bound} ms`);
}

describe('no request starves', () => {
  test('while others keep requesting', () => {
    fc.assert(
      fc.property(
        limits,
        demand,
        fc.array(demand, { minLength: 1, maxLength: 12 }),
        (given, target, rivals) => {
          waitOf(target, rivals, given);
        },
      ),
      { numRuns: runs(300) },
    );
  });

  test('because of two limits that are never free at the same time', () => {
    const project = { cinder: { concurrency: 1, priorityMs: 0 } };
    const given = {
      slots: { local: 1, cloud: 4 },
      jobs: {},
      projects: project,
      backends: {},
      starvationTimeoutMs: STARVATION_TIMEOUT_MS,
    };
    const base = { headStartMs: 0, name: 'unit' };
    const target = { ...base, provider: 'local', project: 'cinder', takesMs: 2 };
    // The project's only slot is free at even times, when others hold the local slot, which is free at odd times.
    const rivals = [
      { ...base, provider: 'cloud', project: 'cinder', takesMs: 4 },
      { ...base, provider: 'cloud', project: 'cinder', takesMs: 4 },
      { ...base, provider: 'local', project: 'nova', takesMs: 4 },
      { ...base, provider: 'local', project: 'brick', takesMs: 4 },
    ];
    const shift = [{ ...base, provider: 'local', project: 'nova', takesMs: 3 }];
    expect(waitOf(target, rivals, given, shift)).toBeLessThanOrEqual(STARVATION_TIMEOUT_MS + 3 * 4);
    const patient = { ...given, starvationTimeoutMs: Number.MAX_SAFE_INTEGER };
    expect(() => waitOf(target, rivals, patient, shift)).toThrow('not served');
  });

  test('because of a project with many changes: another project gets every second slot', () => {
    const given = {
      slots: { local: 1, cloud: 1 },
      jobs: {},
      projects: {},
      backends: {},
      starvationTimeoutMs: STARVATION_TIMEOUT_MS,
    };
    const simulation = new QueueSimulation(given);
    const base = { provider: 'local', name: 'unit', headStartMs: 0, takesMs: 1 };
    for (let many = 0; many < 50; many += 1) simulation.request({ ...base, project: 'cinder' });
    for (let few = 0; few < 5; few += 1) simulation.request({ ...base, project: 'nova' });
    for (let ms = 0; ms < 11; ms += 1) {
      simulation.serve();
      simulation.tick();
    }
    const novas = simulation.granted.filter((history) => Number(history.slice('job-'.length)) > 50);
    expect(novas).toHaveLength(5);
  });
});
