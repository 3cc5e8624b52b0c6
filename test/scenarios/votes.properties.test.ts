/**
 * Random sequences around votes: full and partial runs of up to five jobs, rebases of all kinds, people who set and
 * remove our votes, configuration changes, crashes. Each label that is sent is compared with the reference
 * implementation, whose input comes only from the log.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { JobSpec, Patchset } from '../../src/machines/model/domain.ts';
import { PATCHSET_KINDS } from '../../src/machines/trigger/rules/patchset-kind.ts';
import { LONG, runs } from '../fixtures/effort.ts';
import { jobSpec } from '../machines/facts.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { bestAllowedVote } from '../machines/vote-reference.ts';
import { CiHarness } from './ci-harness.ts';
import { FIRST, patchset } from './gerrit-events.ts';
import { violations } from './violations.ts';
import { judged, overlaps, VALUES } from './votes-reference.ts';

const UNAVAILABLE = { operation: 'ask', target: '', message: 'away', retryable: true, hint: '' };
const ENDS = [
  { how: 'exited', code: 0 },
  { how: 'exited', code: 0 },
  { how: 'exited', code: 1 },
  { how: 'timedOut' },
  { how: 'killed', signal: 9 },
] as const;

const job = fc.record({
  voting: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, fc.constant(false)),
  onlyAsked: fc.oneof({ weight: 3, arbitrary: fc.constant(false) }, fc.constant(true)),
  never: fc.subarray([...PATCHSET_KINDS]),
});
const happening = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('run' as const),
      /** Indexes of jobs; none: all. */
      jobs: fc.array(fc.nat(4), { maxLength: 3 }),
      ends: fc.array(fc.nat(ENDS.length - 1), { minLength: 5, maxLength: 5 }),
      back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constant(1)),
      /** The last value is longer than a review waits. */
      afterMs: fc.constantFrom(1_000, 60_000, 400_000, 1_200_000),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('push' as const),
      kind: fc.constantFrom(...PATCHSET_KINDS),
      copies: fc.boolean(),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('vote' as const), value: fc.constantFrom(1, 1, 0, -1) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('reload' as const), job: fc.nat(4), gone: fc.boolean() }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kill' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('deaf' as const), times: fc.integer({ min: 1, max: 2 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('move' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('close' as const), ms: fc.constantFrom(0, 70_000) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('depend' as const), on: fc.integer({ min: 1, max: 3 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 70_000, 500_000) }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;
type Job = typeof job extends fc.Arbitrary<infer T> ? T : never;

const BRANCH = patchset().branch;
const OTHER_BRANCH = 'stable/1';
const NEEDED = 912_000;

const nameOf = (index: number) => `job-${index}`;

/** One change, its jobs, and their current configuration. */
class VoteScenario {
  readonly ci: CiHarness;
  readonly jobs: Job[];
  readonly kinds: string[] = ['REWORK'];
  readonly specs: JobSpec[];
  readonly gone = new Set<number>();
  #plans = new Map<string, { readonly end: (typeof ENDS)[number]; readonly afterMs: number }>();
  #runs = 0;
  #branch = BRANCH;
  /** The patchset of the change that ours depends on; 0: it depends on none. */
  #needed = 0;

  constructor(jobs: readonly Job[], crashAt: readonly number[]) {
    this.jobs = jobs.map((job) => ({ ...job }));
    this.specs = jobs.map(({ voting }, index) =>
      jobSpec({ name: nameOf(index), voting, exitCodeIsResult: true, results: null, stacking: null }),
    );
    const scenario = this;
    this.ci = new CiHarness({
      slots: 5,
      specs: this.specs,
      report: { ...VALUES, jobTimeoutMs: 900_000 },
      // Read again by each daemon.
      get rules() {
        return { jobs: scenario.rules() };
      },
      stage: ({ name }) => {
        const plan = this.#plans.get(name) ?? { end: ENDS[0], afterMs: 1_000 };
        return { afterMs: plan.afterMs, outcome: plan.end };
      },
    });
    this.ci.crashAt = crashAt;
    this.#show();
  }

  rules() {
    return this.jobs.flatMap(({ onlyAsked, never }, index) =>
      this.gone.has(index)
        ? []
        : [
            jobRules({
              name: nameOf(index),
              triggers: onlyAsked ? ['recheck'] : ['patchset', 'recheck'],
              kinds: { include: [], exclude: never },
              branches: [BRANCH, OTHER_BRANCH],
            }),
          ],
    );
  }

  async happens(what: Happening): Promise<void> {
    const { ci } = this;
    switch (what.do) {
      case 'run':
        return this.#run(what);
      case 'push':
        this.kinds.push(what.kind);
        if (what.copies) {
          const before = ci.reviewer.vote(FIRST, this.kinds.length - 1);
          ci.reviewer.setVote(FIRST, this.kinds.length, before);
        }
        return this.#show();
      case 'vote':
        return ci.reviewer.setVote(FIRST, this.kinds.length, what.value);
      case 'reload':
        return this.#reload(what.job % this.jobs.length, what.gone);
      case 'kill':
        return ci.restart();
      case 'deaf': {
        for (let times = 0; times < what.times; times += 1)
          ci.reviewer.failNext(UNAVAILABLE, 'readChangeState');
        return;
      }
      case 'lose':
        return ci.reviewer.loseAnswerNext(UNAVAILABLE);
      case 'move':
        this.#branch = this.#branch === BRANCH ? OTHER_BRANCH : BRANCH;
        ci.reviewer.branches.set(FIRST, this.#branch);
        return;
      case 'close':
        ci.reviewer.closed.add(FIRST);
        await ci.clock.advance(what.ms);
        await ci.untilIdle();
        ci.reviewer.closed.delete(FIRST);
        return;
      case 'depend':
        this.#needed = what.on;
        return;
      case 'wait':
        await ci.clock.advance(what.ms);
        return ci.untilIdle();
    }
  }

  async #run({ jobs, ends, back, afterMs }: Extract<Happening, { do: 'run' }>): Promise<void> {
    const { ci } = this;
    const known = this.jobs.map((_, index) => index).filter((index) => !this.gone.has(index));
    const wanted = jobs.length === 0 ? known : [...new Set(jobs)].filter((index) => known.includes(index));
    if (wanted.length === 0) return;
    for (const index of wanted) {
      this.#plans.set(nameOf(index), { end: ENDS[ends[index] ?? 0] ?? ENDS[0], afterMs: afterMs + index });
    }
    this.#runs += 1;
    const on: Patchset = {
      ...patchset(FIRST, Math.max(1, this.kinds.length - back)),
      branch: this.#branch,
    };
    if (this.#needed > 0) {
      const revision = String(this.#needed).repeat(40);
      ci.changes.show({ ...patchset(NEEDED, this.#needed), revision });
      ci.changes.show(on, { dependsOn: [NEEDED] });
    }
    // Never resolves if the daemon dies meanwhile.
    void ci.daemon.admission.start(on, wanted.map(nameOf), `run-${this.#runs}`).catch(() => undefined);
    await ci.untilIdle();
  }

  #reload(index: number, gone: boolean): void {
    if (gone && this.gone.size < this.jobs.length - 1) this.gone.add(index);
    else this.gone.delete(index);
    const spec = this.specs[index];
    if (spec !== undefined) this.specs[index] = { ...spec, voting: !spec.voting };
    const { admission } = this.ci.daemon;
    admission.updateSettings({
      ...admission.settings,
      rules: { ...admission.settings.rules, jobs: this.rules() },
      specs: new Map(this.specs.map((spec) => [spec.name, spec])),
    });
  }

  #show(): void {
    this.ci.reviewer.current.set(FIRST, this.kinds.length);
    this.ci.reviewer.kinds.set(FIRST, [...this.kinds]);
  }
}

test('the label that is sent always follows the rules', LONG, async () => {
  const story = fc.record({
    jobs: fc.array(job, { minLength: 1, maxLength: 5 }),
    happenings: fc.array(happening, { minLength: 4, maxLength: 18 }),
    crashAt: fc.array(fc.nat(400), { maxLength: 2 }),
  });
  const sent = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(story, async ({ jobs, happenings, crashAt }) => {
      const scenario = new VoteScenario(jobs, crashAt);
      const { ci } = scenario;
      await ci.start();
      for (const what of happenings) {
        await scenario.happens(what);
        await ci.untilIdle();
      }
      await ci.run();
      for (const { sent: value, expected, state: facts } of judged(ci)) {
        expect(value, JSON.stringify(facts)).toBe(expected);
        expect(value ?? Number.NEGATIVE_INFINITY).toBeLessThanOrEqual(bestAllowedVote(facts));
        sent.set(String(value), (sent.get(String(value)) ?? 0) + 1);
      }
      expect(overlaps(ci)).toEqual([]);
      expect(violations(ci)).toEqual([]);
      expect(ci.crashes).toEqual([]);
      ci.store.close();
    }),
    {
      seed: 20260103,
      numRuns: runs(40, 6),
      endOnFailure: false,
    },
  );
  // The stories give votes of every sign.
  expect([...sent.keys()]).toEqual(expect.arrayContaining(['-1', '1', 'null']));
});
