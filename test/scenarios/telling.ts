/** Runs each story without a crash, and again with a daemon that dies at each of its points, once or twice. */
import { describe, expect, test } from 'vitest';
import { crashPoints, LONG } from '../fixtures/effort.ts';
import { CiHarness } from './ci-harness.ts';
import { broken, brokenOutside } from './judge.ts';
import { endOf, type Story } from './story.ts';

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
      ...story.end,
    };

    test('as it is', async () => {
      const ci = await runStory(story);
      expect(broken(ci)).toEqual([]);
      expect(endOf(ci)).toEqual(end);
      expect(ci.lives).toBe(1);
      ci.store.close();
    });

    test('recovers from a crash at each point', LONG, async () => {
      const { points } = await runStory(story);
      const wrong: unknown[] = [];
      const isShort = points.length <= POINTS_LIMIT;
      const chosen = crashPoints(points, (point, index) => isShort || isTried(point, index));
      for (const crashAt of chosen.flatMap(deaths)) {
        const where = crashAt.map((at) => `${at} ${points[at]}`).join(' and ');
        const found = await wrongWith(story, end, crashAt, points);
        if (found.length > 0) wrong.push([where, ...found]);
      }
      expect(wrong).toEqual([]);
    });
  });
}

/** A story with more points than this repeats itself. */
const POINTS_LIMIT = 70;

/** Both sides of every append; of the other points of a long story every third. */
const isTried = (point: string, index: number) => point.endsWith('append') || index % 3 === 0;

/** Once at this point; at every fourth one also a second time soon after. */
function deaths(point: number): readonly (readonly number[])[] {
  return point % 4 === 0 ? [[point], [point, point + 1 + (point % 7)]] : [[point]];
}

async function wrongWith(
  story: Story,
  end: ReturnType<typeof endOf>,
  crashAt: readonly number[],
  points: readonly string[],
): Promise<readonly unknown[]> {
  try {
    const ci = await runStory(story, crashAt);
    // Each append leaves a log of its own; whoever dies before the next one dies with the same log.
    const afterAppend = points[crashAt[0] ?? 0] === 'after append';
    const found: unknown[] = [...(afterAppend ? broken(ci) : brokenOutside(ci))];
    const came = endOf(ci);
    if (JSON.stringify(came) !== JSON.stringify({ ...came, ...end })) found.push(came);
    if (ci.lives === 1) found.push('nobody died');
    if (ci.crashes.length > 0) found.push(String(ci.crashes[0]));
    ci.store.close();
    return found;
  } catch (thrown) {
    return [String(thrown)];
  }
}

/** Verdicts that say nothing of the patch: the operator hears of each. */
/** A setup script that fails, as in the stories with RETRY_LIMIT, raises none. */
function alarmOf(verdict: string): string[] {
  if (verdict === 'NODE_FAILURE') return ['node-failing'];
  return verdict === 'POST_FAILURE' ? ['no-result'] : [];
}
