/** `explain --events FILE` decides the same as the daemon on the same events. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { sha256 } from '../../src/app/database-admin.ts';
import { explainEvent } from '../../src/app/explain-trigger.ts';
import type { Admission } from '../../src/engine/intake/admission.ts';
import type { GerritEvent } from '../../src/machines/model/gerrit-event.ts';
import type { Decision, TriggerRules } from '../../src/machines/trigger/trigger.ts';
import { SimulatedFacts } from '../../src/machines/trigger/trigger-facts.ts';
import { runs } from '../fixtures/effort.ts';
import { jobSpec } from '../machines/facts.ts';
import { jobRules, triggerRules } from '../machines/rule-facts.ts';
import {
  alice,
  comment,
  created,
  on,
  ready,
  restored,
  VOTE,
  verified,
} from '../machines/trigger/trigger-facts.ts';
import { CiHarness } from '../scenarios/ci-harness.ts';

const BEGIN = Date.UTC(2026, 0, 2, 3, 4, 5);
const SECOND = 1_000;

/** Omits the numbers that distinguish equal comments: the daemon counts events, the command counts lines. */
function decisionText(decision: Decision): string {
  const start = decision.do === 'defer' ? decision.start : decision;
  if (start.do !== 'start') return `${decision.do} ${decision.rule} ${decision.why}`;
  const { patchset, jobs, trigger, kind, by, requiredVote } = start;
  const what = [patchset.change, patchset.patchset, jobs.join(), trigger.replace(/#\d+$/, ''), kind, by];
  return `${decision.do} ${decision.rule} ${decision.why}: ${what.join(' ')} ${requiredVote?.account ?? ''}`;
}

interface Step {
  readonly afterSeconds: number;
  readonly change: number;
  readonly patchset: number;
  readonly branch: string;
  readonly by: string;
  readonly makeEvent: (changes: object) => GerritEvent;
}

const step: fc.Arbitrary<Step> = fc.record({
  afterSeconds: fc.oneof(fc.nat({ max: 60 }), fc.nat({ max: 2_400 })),
  change: fc.integer({ min: 1, max: 3 }),
  patchset: fc.integer({ min: 1, max: 3 }),
  // A different branch than in an earlier step: the change was moved.
  branch: fc.constantFrom('master', 'master', 'stable/1'),
  by: fc.constantFrom('alice', 'bob', 'acme-ci', 'zuul'),
  makeEvent: fc.oneof(
    fc.constantFrom<(changes: object) => GerritEvent>(
      created,
      (changes) => created({ ...changes, kind: 'TRIVIAL_REBASE' }),
      (changes) => created({ ...changes, wip: true }),
      ready,
      (changes) => ({ ...restored, ...changes }) as GerritEvent,
      (changes) => ({ ...restored, ...changes, type: 'change-abandoned' }) as GerritEvent,
      (changes) => verified(1, 0, changes),
    ),
    fc
      .constantFrom('recheck', 'run-acme-ci', 'run b', 'nice')
      .map((text) => (changes: object) => comment(text, changes)),
  ),
});

const rulesFor = (limits: TriggerRules['limits']) =>
  triggerRules({
    limits,
    jobs: [
      jobRules({ name: 'a', kinds: { include: [], exclude: ['TRIVIAL_REBASE'] } }),
      jobRules({ name: 'b', triggers: ['recheck', 'vote'], comments: ['^run b'], votes: [VOTE] }),
    ],
  });
const limit = fc.integer({ min: 1, max: 4 });
const limits = fc.record({ change: limit, author: limit, project: limit, total: limit });

/** The events, in order of time. */
function eventsOf(steps: readonly Step[]): readonly GerritEvent[] {
  let at = BEGIN;
  return steps.map(({ afterSeconds, change, patchset, branch, by, makeEvent }) => {
    at += afterSeconds * SECOND;
    return makeEvent({ ...on({ change, patchset, branch }), at, by: { ...alice, username: by } });
  });
}

test('explain decides the same as the daemon, with any limits', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 14 }), limits, async (steps, within) => {
      const events = eventsOf(steps);
      const rules = rulesFor(within);
      const simulated = new SimulatedFacts(sha256);
      const explained = events.flatMap((event, index) =>
        explainEvent(event, index + 1, rules, simulated).flatMap(({ decisions }) =>
          decisions.map(decisionText),
        ),
      );
      expect(await decidedByDaemon(events, rules)).toEqual(explained);
    }),
    { numRuns: runs(40) },
  );
});

/** Every test ends at once, and every review is posted before the next event arrives. */
async function decidedByDaemon(
  events: readonly GerritEvent[],
  rules: TriggerRules,
): Promise<readonly string[]> {
  const ci = new CiHarness({
    rules,
    slots: 9,
    specs: [jobSpec({ name: 'a' }), jobSpec({ name: 'b' })],
    stage: () => ({ afterMs: 0, outcome: { how: 'exited', code: 0 } }),
  });
  const { admission } = ci.daemon;
  await ci.start();
  const decided: string[] = [];
  const decide: Admission['decide'] = admission.decide.bind(admission);
  admission.decide = async (...args) => {
    const result = await decide(...args);
    decided.push(...result.outcomes.map(({ decision }) => decisionText(decision)));
    return result;
  };
  const settled = () => ci.run(() => ci.openWork().length === 0);
  for (const event of events) {
    ci.clock.jump(('at' in event ? event.at : BEGIN) - ci.clock.now());
    decided.push(...(await admission.resumeWaiting()).map(decisionText));
    await settled();
    await ci.daemon.events.handle(event);
    await settled();
  }
  await ci.daemon.service.stop();
  ci.store.close();
  return decided;
}

test('a change that is moved and then becomes ready starts jobs once for each branch', () => {
  const simulated = new SimulatedFacts(sha256);
  const rules = rulesFor({ change: 9, author: 9, project: 9, total: 9 });
  const moved = on({ branch: 'stable/1' });
  const events = [created(), ready(), ready(moved), ready(moved)];
  const decided = events.flatMap((event, index) =>
    explainEvent(event, index + 1, rules, simulated).flatMap(({ decisions }) =>
      decisions.map((one) => `${one.do} ${one.rule}`),
    ),
  );
  expect(decided).toEqual(['start patchset', 'ignore started', 'start ready', 'ignore started']);
});

test('a start that a limit delays starts later, or is dropped when the change is abandoned', () => {
  const rules = rulesFor({ change: 1, author: 9, project: 9, total: 9 });
  const simulated = new SimulatedFacts(sha256);
  const at = (seconds: number) => ({ at: BEGIN + seconds * SECOND });
  const events = [
    created(at(0)),
    comment('recheck', at(1)),
    comment('recheck', at(4_000)),
    { ...restored, ...at(4_001), type: 'change-abandoned' } as GerritEvent,
  ];
  const found = events.map((event, index) =>
    explainEvent(event, index + 1, rules, simulated).map(({ decisions }) => decisions.map((one) => one.do)),
  );
  expect(found).toEqual([[['start']], [['defer']], [['start'], ['defer']], [['drop']]]);
});

test('explain and the daemon ignore a repeated patchset for the same reason', async () => {
  const rules = rulesFor({ change: 9, author: 9, project: 9, total: 9 });
  const events = [created(), created(), comment('(1 comment)', { at: BEGIN + SECOND })];
  const simulated = new SimulatedFacts(sha256);
  const decided = events.map((event, index) =>
    explainEvent(event, index + 1, rules, simulated).flatMap(({ decisions }) => decisions.map(decisionText)),
  );
  expect(decided[1]).toEqual(['ignore seen this patchset was seen before']);
  expect(decided[2]).toEqual(['ignore seen its text is not in the event; the change is looked up']);
  expect(await decidedByDaemon(events.slice(0, 2), rules)).toEqual(decided.slice(0, 2).flat());
});
