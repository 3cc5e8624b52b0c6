/** Runs each story without a crash, and again with one or two crashes at each of its points. */
import { describe, expect, test } from 'vitest';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { CiHarness } from './ci-harness.ts';
import { endOf, type Story } from './story.ts';
import { externalViolations, violations } from './violations.ts';

async function runStory(story: Story, crashAt: readonly number[] = []): Promise<CiHarness> {
  const ci = new CiHarness(story.options);
  ci.crashAt = crashAt;
  await ci.start();
  story.begin(ci);
  await ci.run();
  return ci;
}

export function storyTests(stories: readonly Story[]): void {
  describe.each(stories)('$name', (story) => {
    const end = {
      alarms: [...new Set(story.end.verdicts.flatMap(alarmOf))],
      mails: [],
      opened: 0,
      ...story.end,
    };

    test('ends as expected without a crash', async () => {
      const ci = await runStory(story);
      expect(violations(ci)).toEqual([]);
      expect(endOf(ci)).toEqual(end);
      expect(ci.lives).toBe(1);
      ci.store.close();
    });

    test('recovers from a crash at each point', LONG, async () => {
      const { points } = await runStory(story);
      const wrong: unknown[] = [];
      const isShort = points.length <= POINTS_LIMIT;
      const chosen = crashPoints(points, (point, index) => isShort || isChosen(point, index));
      for (const crashAt of chosen.flatMap(crashCases)) {
        const where = crashAt.map((at) => `${at} ${points[at]}`).join(' and ');
        const found = await problemsOf(story, end, crashAt, points);
        if (found.length > 0) wrong.push([where, ...found]);
      }
      expect(wrong).toEqual([]);
    });
  });
}

/** The points of longer stories are sampled. */
const POINTS_LIMIT = 70;

/** Both points of every append; every third of the other points. */
const isChosen = (point: string, index: number) => point.endsWith('append') || index % 3 === 0;

/** One crash at this point; at every fourth point also a case with a second crash soon after. */
function crashCases(point: number): readonly (readonly number[])[] {
  return point % 4 === 0 ? [[point], [point, point + 1 + (point % 7)]] : [[point]];
}

async function problemsOf(
  story: Story,
  end: ReturnType<typeof endOf>,
  crashAt: readonly number[],
  points: readonly string[],
): Promise<readonly unknown[]> {
  try {
    const ci = await runStory(story, crashAt);
    // Only an append changes the log, so one replay for each append is enough.
    const afterAppend = points[crashAt[0] ?? 0] === 'after append';
    const found: unknown[] = [...(afterAppend ? violations(ci) : externalViolations(ci))];
    const actual = endOf(ci);
    if (JSON.stringify(actual) !== JSON.stringify({ ...actual, ...end })) found.push(actual);
    if (ci.lives === 1) found.push('no crash happened');
    if (ci.crashes.length > 0) found.push(String(ci.crashes[0]));
    ci.store.close();
    return found;
  } catch (thrown) {
    return [String(thrown)];
  }
}

/** Alarms of verdicts that say nothing about the patch; a failed setup script (RETRY_LIMIT) raises none. */
function alarmOf(verdict: string): string[] {
  if (verdict === 'NODE_FAILURE') return ['node-failing'];
  return verdict === 'POST_FAILURE' ? ['no-result'] : [];
}
