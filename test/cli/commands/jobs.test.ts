import { describe, expect, test } from 'vitest';
import { jobsCommand } from '../../../src/cli/commands/jobs.ts';
import { textWidth } from '../../../src/cli/output/table.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED, START } from '../sample-story.ts';

const reader = fakeReader(SAMPLE);
const now = () => NOW;

describe('jobs', () => {
  test.each([40, 60, 100, 120, Number.POSITIVE_INFINITY])('at a width of %d', async (width) => {
    const io = fakeIo({ width, now });
    expect(jobsCommand(io, reader, { limit: 50 })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot(`../../golden/jobs-${width}.txt`);
    for (const line of io.stdout().split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(width);
  });

  test('as JSON have a stable shape', async () => {
    const io = fakeIo({ now });
    expect(jobsCommand(io, reader, { limit: 50, json: true })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/jobs.json');
  });

  test('can be filtered', () => {
    const ids = (options: Parameters<typeof jobsCommand>[2]) => {
      const io = fakeIo({ now });
      jobsCommand(io, reader, { ...options, json: true });
      return JSON.parse(io.stdout()).jobs.map((job: { id: string }) => job.id);
    };
    expect(ids({ limit: 50, open: true })).toEqual([RUNNING]);
    expect(ids({ limit: 50, change: 912400 })).toEqual([RUNNING]);
    expect(ids({ limit: 1 })).toEqual([RUNNING]);
    expect(ids({ limit: 50, change: 1 })).toEqual([]);
    expect(ids({ limit: 50, failed: true })).toEqual([FAILED]);
    expect(ids({ limit: 50, verdict: 'SUCCESS' })).toEqual([]);
    expect(ids({ limit: 50, job: 'acme-fc' })).toEqual([RUNNING]);
    expect(ids({ limit: 50, inState: 'testing' })).toEqual([RUNNING]);
    expect(ids({ limit: 50, inState: 'booting' })).toEqual([]);
    expect(ids({ limit: 50, since: START + 1, owner: 'jgriffith' })).toEqual([RUNNING]);
    expect(ids({ limit: 50, until: START + 1 })).toEqual([FAILED]);
  });

  test('prints that there are no jobs', () => {
    const io = fakeIo();
    jobsCommand(io, fakeReader(), { limit: 50 });
    jobsCommand(io, fakeReader(), { limit: 50, open: true });
    expect(io.stdout()).toBe('no jobs\nno open jobs\n');
  });

  test('prints on standard error that there are more', () => {
    const io = fakeIo({ now });
    jobsCommand(io, reader, { limit: 1 });
    expect(io.stderr()).toBe('the newest 1 are shown; more with --limit N\n');
  });
});
