import { describe, expect, test } from 'vitest';
import { jobsCommand, watchJobs } from '../../../src/cli/commands/jobs.ts';
import { textWidth } from '../../../src/cli/output/table.ts';
import type { JobQuery, JobView } from '../../../src/engine/ports/store.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED, START } from '../sample-story.ts';
import { expectToFit } from '../widths.ts';

const reader = fakeReader(SAMPLE);
const now = () => NOW;

describe('jobs', () => {
  test.each([40, 60, 100, 120, Number.POSITIVE_INFINITY])('at a width of %d', async (width) => {
    const io = fakeIo({ width, now });
    expect(jobsCommand(io, reader, { limit: 50 })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot(`../../golden/jobs-${width}.txt`);
    for (const line of io.stdout().split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(width);
  });

  test('fit every terminal', async () => {
    await expectToFit('jobs', { now }, (io) => jobsCommand(io, reader, { limit: 50 }));
  });

  test('can be sorted, and printed without titles', async () => {
    const sort = { by: 'took', descending: true } as const;
    let query: JobQuery | null = null;
    const asked = {
      ...reader,
      jobs: (of: JobQuery) => {
        query ??= of;
        return reader.jobs(of);
      },
    };
    const io = fakeIo({ now, header: false });
    jobsCommand(io, asked, { limit: 50, sort });
    expect(query).toMatchObject({ sort });
    expect(io.stdout()).toMatch(/^01kfa8yq7p1z /);
    expect(io.stdout()).not.toContain('CHANGE');
  });

  test('are printed as one line of JSON each', () => {
    const io = fakeIo({ now, jsonl: true });
    jobsCommand(io, reader, { limit: 50, json: true });
    const ids = io
      .stdout()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line).id);
    expect(ids).toEqual([RUNNING, FAILED]);
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

  describe('--watch', () => {
    const failed = SAMPLE.jobs.find(({ id }) => id === FAILED) as JobView;

    /** Three polls: the list, an unrelated commit, and another state of the running job. */
    async function watched(io: ReturnType<typeof fakeIo>, json: boolean) {
      const ending = new AbortController();
      let [jobs, commits] = [SAMPLE.jobs, 1];
      const next = [
        () => undefined,
        () => {
          jobs = SAMPLE.jobs.map((job) => (job === failed ? job : { ...job, state: 'cleanup.deleting' }));
        },
        () => ending.abort(),
      ];
      const sleep = async () => {
        commits += 1;
        next.shift()?.();
      };
      const growing = { ...reader, commits: () => commits, jobs: () => jobs };
      expect(await watchJobs(io, growing, { limit: 50, json }, { signal: ending.signal, sleep })).toBe(0);
      return io.stdout();
    }

    test('repeats the list when it has changed, as plain lines off a terminal', async () => {
      const out = await watched(fakeIo({ now }), false);
      expect(out.match(/^ID /gm)?.length).toBe(2);
      expect(out).toContain('\n\nID ');
      expect(out).not.toContain('\u001b');
    });

    test('clears the screen of a terminal, and shows no more than fits', async () => {
      const out = await watched(fakeIo({ now, width: 80, height: 5 }), false);
      expect(out.split('\u001b[H\u001b[2J').length).toBe(3);
    });

    test('prints only the jobs that changed as lines of JSON', async () => {
      const out = await watched(fakeIo({ now, jsonl: true }), true);
      const states = out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line).state);
      expect(states).toEqual(['done', 'testing.running', 'cleanup.deleting']);
    });
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
