import { describe, expect, test } from 'vitest';
import { jobCommand } from '../../../src/cli/commands/job.ts';
import { CliError } from '../../../src/cli/output/exit-codes.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { FACTS, JOB as FIRST_JOB } from '../../machines/facts.ts';
import { Simulator } from '../../machines/simulator.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED } from '../sample-story.ts';
import { expectToFit } from '../widths.ts';

const environment = {
  server: { id: 'srv-2', name: 'sos-ci-2', address: 'ci@192.0.2.7:22/srv', provider: 'cloud' },
  facts: { ...FACTS, image: { id: 'image-1', name: 'debian \u001b[31m12' } },
  stages: { ansible: '2.19.3', devstack: 'd'.repeat(40), tempest: '41.0.0', proxy: true, preseed: false },
};
const stored = { ...Simulator.job().at(FIRST_JOB), context: { environment } };
const reader = fakeReader({ ...SAMPLE, stored: { [FAILED]: { ...stored, ended: true } } });
const now = () => NOW;

describe('the history of a job', () => {
  test.each([60, 100, Number.POSITIVE_INFINITY])('at a width of %d', async (width) => {
    const io = fakeIo({ width, now });
    expect(jobCommand(io, reader, FAILED, {})).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot(`../../golden/job-${width}.txt`);
    for (const line of io.stdout().split('\n')) expect([...line].length).toBeLessThanOrEqual(width);
  });

  test('that still runs lists the pending effects', async () => {
    const io = fakeIo({ width: 100, now });
    expect(jobCommand(io, reader, RUNNING, {})).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/job-running.txt');
  });

  test('that is retried says which task failed', () => {
    const end = { how: 'exited', code: 2, failedTask: { task: 'Clone', host: 'node', message: 'no route' } };
    const reason = 'stacking: failed at task "Clone" on node: no route';
    const change = { verdict: null, reason, state: 'booting.backoff', endedAt: null };
    const jobs = (SAMPLE.jobs ?? []).map((job) => ({ ...job, ...change }));
    const rows = (SAMPLE.rows ?? []).map((row) =>
      row.type === 'stage.exited' ? { ...row, data: { ...row.data, end, lastLine: 'PLAY RECAP' } } : row,
    );
    const io = fakeIo({ width: 100, now });
    jobCommand(io, fakeReader({ jobs, rows }), FAILED, {});
    expect(io.stdout()).toContain(`  verdict   none yet; last failed attempt: ${reason}\n`);
    expect(io.stdout()).toMatch(/ {2}stacking failed at task "Clone" on node: no route\n/);
  });

  test('fits every terminal', async () => {
    await expectToFit('job', { now: () => NOW }, (io) => jobCommand(io, reader, FAILED, {}));
  });

  test('in colour prints the same text', () => {
    const [plain, colored] = [fakeIo({ width: 100, now }), fakeIo({ width: 100, now, color: true })];
    jobCommand(plain, reader, FAILED, {});
    jobCommand(colored, reader, FAILED, {});
    expect(colored.stdout()).toContain('\u001b[31mFAILURE');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: removes our own colours
    expect(colored.stdout().replaceAll(/\u001b\[\d+m/g, '')).toBe(plain.stdout());
  });

  test('as JSON has a stable shape', async () => {
    const io = fakeIo({ now });
    expect(jobCommand(io, reader, FAILED, { json: true })).toBe(0);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/job.json');
  });

  test.each([{}, { json: true }])('with %j escapes control characters', (options) => {
    const io = fakeIo({ now });
    jobCommand(io, reader, FAILED, options);
    expect(io.stdout().replaceAll('\n', '')).not.toMatch(/[\p{Cc}\u202e]/u);
  });
});

describe('an id', () => {
  test('may be abbreviated if it stays unique', () => {
    const io = fakeIo({ now });
    jobCommand(io, reader, FAILED.slice(0, 7), {});
    expect(io.stdout()).toContain(FAILED);
  });

  test('that matches several jobs lists them', () => {
    expect(() => jobCommand(fakeIo(), reader, '01kfa', {})).toThrow(
      expect.objectContaining({
        exitCode: 2,
        message: `several jobs begin with "01kfa":\n  ${FAILED}  912345,3  acme-dsvm  FAILURE\n  ${RUNNING}  912400,1  acme-fc  testing.running`,
        hint: 'name one of them by its id',
      }),
    );
  });

  test.each(['02', '', '%', '\u001b[2J'])('that matches nothing (%j) is an error', (typed) => {
    expect(() => jobCommand(fakeIo(), reader, typed, {})).toThrow(CliError);
  });
});
