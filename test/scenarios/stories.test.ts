/** Whole jobs through the real engine and store, and again with a daemon that dies at each point of them. */
import { describe, expect, test } from 'vitest';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { endOf, STORIES, type Story } from './stories.ts';

async function told(story: Story, crashAt: readonly number[] = []): Promise<Lab> {
  const lab = new Lab(story.options);
  lab.crashAt = crashAt;
  await lab.start();
  story.tell(lab);
  await lab.run();
  return lab;
}

describe.each(STORIES)('$name', (story) => {
  const end = { alarms: [], ...story.end };

  test('told as it is', async () => {
    const lab = await told(story);
    expect(broken(lab)).toEqual([]);
    expect(endOf(lab)).toEqual(end);
    expect(lab.lives).toBe(1);
    lab.store.close();
  });

  test('with a daemon that dies at each point', async () => {
    const points = (await told(story)).points;
    const wrong: unknown[] = [];
    for (let point = 0; point < points.length; point += 1) {
      for (const crashAt of [[point], [point, point + 1 + (point % 7)]]) {
        const where = crashAt.map((at) => `${at} ${points[at]}`).join(' and ');
        try {
          const lab = await told(story, crashAt);
          const found = broken(lab);
          const came = endOf(lab);
          if (found.length > 0) wrong.push([where, ...found]);
          else if (JSON.stringify(came) !== JSON.stringify({ ...came, ...end })) wrong.push([where, came]);
          lab.store.close();
        } catch (thrown) {
          wrong.push([where, String(thrown)]);
        }
      }
    }
    expect(wrong).toEqual([]);
  });
});
