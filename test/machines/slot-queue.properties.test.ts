/**
 * Whatever arrives in whatever order: no limit is ever exceeded, nothing that could run is left waiting, the same
 * arrivals are served in the same order, and nobody starves while others arrive forever.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
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
const STARVATION_TIMEOUT_MS = 20;
const HEAD_START_MAX_MS = 30;
const LONGEST_MS = 12;

/** One thing that somebody wants to run: again and again, in the tests where others never stop. */
interface Want {
  readonly provider: string;
  readonly name: string;
  readonly project: string;
  readonly headStartMs: number;
  readonly takesMs: number;
}

const want: fc.Arbitrary<Want> = fc.record({
  provider: fc.constantFrom(...PROVIDERS),
  name: fc.constantFrom(...JOBS),
  project: fc.constantFrom(...PROJECTS),
  headStartMs: fc.nat({ max: HEAD_START_MAX_MS }),
  takesMs: fc.integer({ min: 1, max: LONGEST_MS }),
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
  })
  .map((drawn) => ({ ...drawn, starvationTimeoutMs: STARVATION_TIMEOUT_MS }));

/** A provider's life, a millisecond a step. */
class Lab {
  now = 0;
  readonly waiting: (SlotRequest & { readonly want: Want })[] = [];
  readonly running: { readonly holder: SlotHolder; readonly want: Want; readonly until: number }[] = [];
  readonly granted: string[] = [];
  readonly #served = new Map<string, number>();
  readonly #limits: SlotLimits;
  #requests = 0;
  #turn = 0;

  constructor(given: SlotLimits) {
    this.#limits = given;
  }

  ask(wanted: Want, promoted = false): string {
    const order = ++this.#requests;
    const history = `job-${order}`;
    const { provider, name, project, headStartMs } = wanted;
    const asked = { provider, name, project, headStartMs, promoted, requestedAt: this.now, order };
    this.waiting.push({ history, key: 'slot', ...asked, want: wanted });
    return history;
  }

  get queue() {
    return { waiting: this.waiting, holders: this.running.map(({ holder }) => holder), served: this.#served };
  }

  /** Gives all slots that can be given; returns what began. */
  serve(): readonly Want[] {
    const begun: Want[] = [];
    for (;;) {
      const next = nextRequest(this.queue, this.#limits, this.now);
      if (next === null) return begun;
      const [taken] = this.waiting.splice(
        this.waiting.findIndex(({ history }) => history === next.history),
        1,
      );
      if (taken === undefined) throw new Error('granted to nobody');
      this.granted.push(taken.history);
      this.running.push({ holder: taken, want: taken.want, until: this.now + taken.want.takesMs });
      this.#turn = Math.max(this.now, this.#turn + 1);
      this.#served.set(fairShareKey(taken), this.#turn);
      begun.push(taken.want);
    }
  }

  /** A millisecond goes by; what has ended is gone. */
  tick(): void {
    this.now += 1;
    for (const one of this.running.filter(({ until }) => until <= this.now))
      this.running.splice(this.running.indexOf(one), 1);
  }

  /** Limits that are exceeded. */
  invariantViolations(): readonly string[] {
    const used = (what: keyof SlotHolder, value: string) =>
      this.running.filter(({ holder }) => holder[what] === value).length;
    const { slots, jobs, projects } = this.#limits;
    return [
      ...Object.entries(slots).filter(([name, most]) => used('provider', name) > most),
      ...Object.entries(jobs).filter(([name, most]) => used('name', name) > most),
      ...Object.entries(projects).filter(
        ([name, { concurrency: most }]) => most !== null && used('project', name) > most,
      ),
    ].map(([name]) => `${name} at ${this.now}`);
  }
}

const arrivals = fc.array(fc.tuple(fc.nat({ max: 3 }), want, fc.boolean()), { maxLength: 60 });

function run(given: SlotLimits, all: readonly (readonly [number, Want, boolean])[]): Lab {
  const lab = new Lab(given);
  for (const [pauseMs, wanted, promoted] of all) {
    for (let ms = 0; ms < pauseMs; ms += 1) step(lab);
    lab.ask(wanted, promoted);
    step(lab);
  }
  for (let ms = 0; ms < all.length * LONGEST_MS && lab.waiting.length > 0; ms += 1) step(lab);
  return lab;
}

function step(lab: Lab): void {
  lab.serve();
  if (lab.invariantViolations().length > 0) throw new Error(lab.invariantViolations().join(', '));
  lab.tick();
}

describe('for any requests', () => {
  test('no limit is exceeded, and everything that waits is served when no more arrive', () => {
    fc.assert(
      fc.property(limits, arrivals, (given, all) => {
        const lab = run(given, all);
        expect(lab.waiting).toEqual([]);
        expect(lab.granted).toHaveLength(all.length);
      }),
      { numRuns: runs(300) },
    );
  });

  test('the order of service does not depend on the order of the list', () => {
    fc.assert(
      fc.property(limits, arrivals, fc.nat(), (given, all, seed) => {
        const [one, other] = [run(given, all), run(given, all)];
        expect(other.granted).toEqual(one.granted);
        const lab = new Lab(given);
        for (const [, wanted, promoted] of all) lab.ask(wanted, promoted);
        const at = all.length === 0 ? 0 : seed % all.length;
        const turned = [...lab.waiting.slice(at), ...lab.waiting.slice(0, at)].reverse();
        const next = nextRequest(lab.queue, given, 5);
        expect(nextRequest({ ...lab.queue, waiting: turned }, given, 5)).toEqual(next);
      }),
      { numRuns: runs(200) },
    );
  });

  test('whatever still waits is blocked by a named limit', () => {
    fc.assert(
      fc.property(limits, arrivals, (given, all) => {
        const lab = new Lab(given);
        for (const [, wanted, promoted] of all) lab.ask(wanted, promoted);
        lab.serve();
        for (const request of lab.waiting)
          expect(blockedBy(request, lab.queue, given, lab.now)).not.toBeNull();
      }),
      { numRuns: runs(200) },
    );
  });
});

/**
 * Everybody who has been served asks again at once, forever. How long one request may take then: until it has lost
 * its patience, until all who count as older have gone before it, each after every other project had its turn.
 */
function longestWait(rivals: number, given: SlotLimits): number {
  const priority = Math.max(0, ...Object.values(given.projects).map(({ priorityMs }) => priorityMs));
  const older = rivals * (1 + HEAD_START_MAX_MS + priority);
  return STARVATION_TIMEOUT_MS + older * (PROJECTS.length + priority + 1) * LONGEST_MS;
}

/** @param once comes before them all, and not again */
function waitOf(
  victim: Want,
  rivals: readonly Want[],
  given: SlotLimits,
  once: readonly Want[] = [],
): number {
  const lab = new Lab(given);
  const bound = longestWait(rivals.length, given);
  for (const wanted of [...once, ...rivals]) lab.ask(wanted);
  for (let ms = 0; ms < 3 * LONGEST_MS; ms += 1) {
    for (const begun of lab.serve()) if (!once.includes(begun)) lab.ask(begun);
    lab.tick();
  }
  const history = lab.ask(victim);
  const askedAt = lab.now;
  while (lab.now - askedAt <= bound) {
    for (const begun of lab.serve()) if (begun !== victim) lab.ask(begun);
    if (lab.granted.includes(history)) return lab.now - askedAt;
    lab.tick();
  }
  throw new Error(`not served within ${bound} ms`);
}

describe('no request starves', () => {
  test('while others keep requesting', () => {
    fc.assert(
      fc.property(limits, want, fc.array(want, { minLength: 1, maxLength: 12 }), (given, victim, rivals) => {
        waitOf(victim, rivals, given);
      }),
      { numRuns: runs(300) },
    );
  });

  test('by two limits that are never free at the same time', () => {
    const project = { cinder: { concurrency: 1, priorityMs: 0 } };
    const given = {
      slots: { local: 1, cloud: 4 },
      jobs: {},
      projects: project,
      starvationTimeoutMs: STARVATION_TIMEOUT_MS,
    };
    const base = { headStartMs: 0, name: 'unit' };
    const victim = { ...base, provider: 'local', project: 'cinder', takesMs: 2 };
    // The project's one place is free at even times, when others have the local slot, which is free at odd ones.
    const rivals = [
      { ...base, provider: 'cloud', project: 'cinder', takesMs: 4 },
      { ...base, provider: 'cloud', project: 'cinder', takesMs: 4 },
      { ...base, provider: 'local', project: 'nova', takesMs: 4 },
      { ...base, provider: 'local', project: 'brick', takesMs: 4 },
    ];
    const shift = [{ ...base, provider: 'local', project: 'nova', takesMs: 3 }];
    expect(waitOf(victim, rivals, given, shift)).toBeLessThanOrEqual(STARVATION_TIMEOUT_MS + 3 * 4);
    const patient = { ...given, starvationTimeoutMs: Number.MAX_SAFE_INTEGER };
    expect(() => waitOf(victim, rivals, patient, shift)).toThrow('not served');
  });

  test('by a project with many changes: each other one has every second slot', () => {
    const given = {
      slots: { local: 1, cloud: 1 },
      jobs: {},
      projects: {},
      starvationTimeoutMs: STARVATION_TIMEOUT_MS,
    };
    const lab = new Lab(given);
    const base = { provider: 'local', name: 'unit', headStartMs: 0, takesMs: 1 };
    for (let many = 0; many < 50; many += 1) lab.ask({ ...base, project: 'cinder' });
    for (let few = 0; few < 5; few += 1) lab.ask({ ...base, project: 'nova' });
    for (let ms = 0; ms < 11; ms += 1) {
      lab.serve();
      lab.tick();
    }
    const novas = lab.granted.filter((history) => Number(history.slice('job-'.length)) > 50);
    expect(novas).toHaveLength(5);
  });
});
