/**
 * Anything may happen around votes: full and partial runs of up to five jobs, rebases of all kinds, people who set and
 * remove our votes, a configuration that changes, daemons that die. Each label that is sent is compared with a second
 * reading of the rules, which is fed from the log's facts alone.
 */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { LogRow } from '../../src/machines/row.ts';
import { PATCHSET_KINDS } from '../../src/machines/rules/kind.ts';
import type { JobReport, JobSpec, Patchset, Standing } from '../../src/machines/vocabulary.ts';
import type { JobInForce } from '../../src/machines/vote-rule.ts';
import { jobSpec } from '../machines/facts.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { ceiling, type ReferenceWorld, referenceVote } from '../machines/vote-reference.ts';
import { FIRST, patchset } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';

const VALUES = { success: 1, failure: -1, timedOut: -1 };
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
      /** 0: all. */
      jobs: fc.array(fc.nat(4), { maxLength: 3 }),
      ends: fc.array(fc.nat(ENDS.length - 1), { minLength: 5, maxLength: 5 }),
      back: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.constant(1)),
      afterMs: fc.constantFrom(1_000, 60_000, 400_000),
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
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.constantFrom(1_000, 70_000, 500_000) }),
  },
);
type Happening = typeof happening extends fc.Arbitrary<infer T> ? T : never;
type Job = typeof job extends fc.Arbitrary<infer T> ? T : never;

const nameOf = (index: number) => `job-${index}`;

/** One change, its jobs, and what its configuration says now. */
class World {
  readonly lab: Lab;
  readonly jobs: Job[];
  readonly kinds: string[] = ['REWORK'];
  readonly specs: JobSpec[];
  readonly gone = new Set<number>();
  #plans = new Map<string, { readonly end: (typeof ENDS)[number]; readonly afterMs: number }>();
  #runs = 0;

  constructor(jobs: readonly Job[], crashAt: readonly number[]) {
    this.jobs = jobs.map((one) => ({ ...one }));
    this.specs = jobs.map(({ voting }, index) =>
      jobSpec({ name: nameOf(index), voting, exitCodeIsResult: true, results: null, stacking: null }),
    );
    const world = this;
    this.lab = new Lab({
      slots: 5,
      specs: this.specs,
      report: VALUES,
      // Asked again by each daemon.
      get rules() {
        return { jobs: world.rules() };
      },
      stage: ({ name }) => {
        const plan = this.#plans.get(name) ?? { end: ENDS[0], afterMs: 1_000 };
        return { afterMs: plan.afterMs, outcome: plan.end };
      },
    });
    this.lab.crashAt = crashAt;
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
              kinds: { only: [], never },
            }),
          ],
    );
  }

  async happens(what: Happening): Promise<void> {
    const { lab } = this;
    switch (what.do) {
      case 'run':
        return this.#run(what);
      case 'push':
        this.kinds.push(what.kind);
        if (what.copies) {
          const before = lab.reviewer.vote(FIRST, this.kinds.length - 1);
          lab.reviewer.setVote(FIRST, this.kinds.length, before);
        }
        return this.#show();
      case 'vote':
        return lab.reviewer.setVote(FIRST, this.kinds.length, what.value);
      case 'reload':
        return this.#reload(what.job % this.jobs.length, what.gone);
      case 'kill':
        return lab.restart();
      case 'deaf': {
        const away = { operation: 'read', target: '', message: 'away', retryable: true, hint: '' };
        for (let times = 0; times < what.times; times += 1) lab.reviewer.failNext(away, 'readStanding');
        return;
      }
      case 'wait':
        await lab.clock.advance(what.ms);
        return lab.quiet();
    }
  }

  async #run({ jobs, ends, back, afterMs }: Extract<Happening, { do: 'run' }>): Promise<void> {
    const { lab } = this;
    const known = this.jobs.map((_, index) => index).filter((index) => !this.gone.has(index));
    const wanted = jobs.length === 0 ? known : [...new Set(jobs)].filter((index) => known.includes(index));
    if (wanted.length === 0) return;
    for (const index of wanted) {
      this.#plans.set(nameOf(index), { end: ENDS[ends[index] ?? 0] ?? ENDS[0], afterMs: afterMs + index });
    }
    this.#runs += 1;
    const on: Patchset = patchset(FIRST, Math.max(1, this.kinds.length - back));
    // One that dies while it is asked never answers.
    void lab.daemon.admission.start(on, wanted.map(nameOf), `run-${this.#runs}`).catch(() => undefined);
    await lab.quiet();
  }

  #reload(index: number, gone: boolean): void {
    if (gone && this.gone.size < this.jobs.length - 1) this.gone.add(index);
    else this.gone.delete(index);
    const spec = this.specs[index];
    if (spec !== undefined) this.specs[index] = { ...spec, voting: !spec.voting };
    const { admission } = this.lab.daemon;
    admission.accept({
      ...admission.acceptance,
      rules: { ...admission.acceptance.rules, jobs: this.rules() },
      specs: new Map(this.specs.map((one) => [one.name, one])),
    });
  }

  #show(): void {
    this.lab.reviewer.current.set(FIRST, this.kinds.length);
    this.lab.reviewer.kinds.set(FIRST, [...this.kinds]);
  }
}

/** Every post that was asked for, beside what the rules say of it. */
function judged(lab: Lab) {
  const rows: LogRow[] = [];
  const posts: {
    readonly sent: number | null;
    readonly expected: number | null;
    readonly world: ReferenceWorld;
  }[] = [];
  for (const row of lab.store.log()) {
    rows.push(row);
    for (const effect of row.effects) {
      if (effect.type !== 'postReview') continue;
      const world = worldAt(rows, row.history);
      const own = ownCounts(world, testedOf(rows, row.history));
      posts.push({
        sent: effect.labels.Verified ?? null,
        expected: own ? referenceVote(world) : null,
        world,
      });
    }
  }
  return posts;
}

const isOpening = ({ type }: LogRow) => type === 'review.opened';

function testedOf(rows: readonly LogRow[], review: string): number {
  const opened = rows.find((row) => row.history === review && isOpening(row));
  if (opened === undefined) throw new Error(`${review} was never opened`);
  return (opened.data.patchset as Patchset).patchset;
}

/** The facts that were known when a review asked for its post. */
function worldAt(rows: readonly LogRow[], review: string): ReferenceWorld {
  const read = rows.findLast(
    ({ history, type }) => history === review && (type === 'standing.read' || type === 'standing.unread'),
  );
  const standing = (read?.data.standing ?? null) as Standing | null;
  const jobs = (read?.data.jobs ?? []) as readonly JobInForce[];
  const tested = testedOf(rows, review);
  const current = standing?.patchset.patchset ?? tested;
  const kinds = Array.from({ length: current }, (_, index) => {
    return standing?.kinds.find(({ patchset: number }) => number === index + 1)?.kind ?? '';
  });
  return {
    values: VALUES,
    jobs: jobs.map(({ kinds: { never }, ...one }) => ({ ...one, passesOver: never })),
    kinds,
    runs: runsAt(rows),
    standing: standing?.vote ?? null,
    review,
  };
}

function runsAt(rows: readonly LogRow[]): ReferenceWorld['runs'] {
  return rows.filter(isOpening).flatMap((opened, admitted) => {
    const jobs = opened.data.jobs as readonly { readonly job: string; readonly name: string }[];
    return jobs.map(({ job: id, name }) => {
      const reported = rows.find(
        ({ history, type, data }) =>
          history === opened.history && type === 'job.reported' && (data.report as JobReport).job === id,
      );
      const report = reported?.data.report as JobReport | undefined;
      return {
        review: opened.history,
        job: name,
        patchset: (opened.data.patchset as Patchset).patchset,
        admitted,
        verdict: report?.verdict ?? null,
        dependencies: '',
        evidencePending: report?.evidence !== 'published',
      };
    });
  });
}

/** Whether runs on the patchset that was tested count for the current one, for a job of the review's own. */
function ownCounts(world: ReferenceWorld, tested: number): boolean {
  if (tested === world.kinds.length) return true;
  const own = world.runs.filter(({ review }) => review === world.review).map(({ job: name }) => name);
  return world.jobs.some(({ name, passesOver }) => {
    if (!own.includes(name)) return false;
    for (let number = world.kinds.length; number >= tested; number -= 1) {
      const here = world.runs.some(
        (run) =>
          run.job === name &&
          run.patchset === number &&
          run.verdict !== null &&
          !['ABORTED', 'SKIPPED'].includes(run.verdict),
      );
      if (here) return number === tested;
      if (!passesOver.includes(world.kinds[number - 1] ?? '')) return false;
    }
    return false;
  });
}

/** Reviews that had a post under way at the same time. */
function overlaps(lab: Lab): readonly string[] {
  const open = new Map<string, string>();
  const found: string[] = [];
  for (const { history, settles, effects } of lab.store.log()) {
    if (settles !== null) open.delete(`${history} ${settles}`);
    for (const effect of effects) {
      if (effect.type === 'postReview') open.set(`${history} ${effect.key}`, history);
    }
    if (new Set(open.values()).size > 1) found.push([...open.keys()].join(', '));
  }
  return found;
}

test('the label that is sent follows the rules, whatever happens', { timeout: 240_000 }, async () => {
  const story = fc.record({
    jobs: fc.array(job, { minLength: 1, maxLength: 5 }),
    happenings: fc.array(happening, { minLength: 4, maxLength: 18 }),
    crashAt: fc.array(fc.nat(400), { maxLength: 2 }),
  });
  const sent = new Map<string, number>();
  await fc.assert(
    fc.asyncProperty(story, async ({ jobs, happenings, crashAt }) => {
      const world = new World(jobs, crashAt);
      const { lab } = world;
      await lab.start();
      for (const what of happenings) {
        await world.happens(what);
        await lab.quiet();
      }
      await lab.run();
      for (const { sent: value, expected, world: facts } of judged(lab)) {
        expect(value, JSON.stringify(facts)).toBe(expected);
        expect(value ?? Number.NEGATIVE_INFINITY).toBeLessThanOrEqual(ceiling(facts));
        sent.set(String(value), (sent.get(String(value)) ?? 0) + 1);
      }
      expect(overlaps(lab)).toEqual([]);
      expect(broken(lab)).toEqual([]);
      expect(lab.crashes).toEqual([]);
      lab.store.close();
    }),
    { seed: 20260103, numRuns: 40, endOnFailure: false },
  );
  // The stories are such that answers of every sign come up.
  expect([...sent.keys()]).toEqual(expect.arrayContaining(['-1', '1', 'null']));
});
