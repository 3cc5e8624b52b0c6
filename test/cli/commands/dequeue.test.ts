/** `sos-ci dequeue` and `promote`: their requests to the daemon, and their output. */
import { describe, expect, test } from 'vitest';
import { dequeueCommand, promoteCommand } from '../../../src/cli/commands/dequeue.ts';
import { parseTarget } from '../../../src/cli/input/parse-target.ts';
import type { OperatorRequest } from '../../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';
import { RUNNING, SAMPLE } from '../sample.ts';

type Dequeue = Extract<OperatorRequest, { do: 'dequeue' }>;
type Promote = Extract<OperatorRequest, { do: 'promote' }>;
const entry = (id: string, state: string) => ({ id, name: 'acme-dsvm', state, change: 912345, patchset: 3 });
const JOBS = [entry('j01kfa7xw2m6w', 'testing.running'), entry('j01kfa7xw2m6x', 'queued.waiting')];

describe('dequeue', () => {
  test('of a change lists the cancelled jobs, and the state of each', async () => {
    const [io, daemon] = [fakeIo(), fakeDaemon<Dequeue>({ jobs: JOBS, reviews: ['r1'] })];
    const target = { change: 912345, patchset: null };
    expect(await dequeueCommand(io, daemon.send, target, OPTIONS)).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'dequeue', target }]);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/dequeue.txt');
  });

  test('of one job, and as JSON', async () => {
    const answer = { jobs: JOBS.slice(0, 1), reviews: [] };
    const [io, json, daemon] = [fakeIo(), fakeIo(), fakeDaemon<Dequeue>(answer)];
    await dequeueCommand(io, daemon.send, { job: 'j1' }, OPTIONS);
    expect(io.stdout()).toBe('ended 1 job\n  j01kfa7xw2m6  912345,3  acme-dsvm, was testing\n');
    await dequeueCommand(json, daemon.send, { job: 'j1' }, { ...OPTIONS, json: true });
    expect(JSON.parse(json.stdout())).toEqual({ format: 1, ...answer });
  });
});

describe('promote', () => {
  const targets = [{ job: 'j1' }, { change: 912345, patchset: 3 }];

  test('lists the jobs at the head of the queue, and those that do not wait', async () => {
    const [running, queued] = JOBS;
    if (running === undefined || queued === undefined) throw new Error('no jobs');
    const [io, daemon] = [fakeIo(), fakeDaemon<Promote>({ promoted: [queued], notWaiting: [running] })];
    expect(await promoteCommand(io, daemon.send, targets, OPTIONS)).toBe(0);
    expect(daemon.requests).toEqual([{ do: 'promote', targets }]);
    await expect(io.stdout()).toMatchFileSnapshot('../../golden/promote.txt');
  });

  test('exits with 1 when none waits', async () => {
    const answer = { promoted: [], notWaiting: JOBS.slice(0, 1) };
    const [io, json, daemon] = [fakeIo(), fakeIo(), fakeDaemon<Promote>(answer)];
    expect(await promoteCommand(io, daemon.send, targets, OPTIONS)).toBe(1);
    expect(await promoteCommand(json, daemon.send, targets, { ...OPTIONS, json: true })).toBe(1);
    expect(JSON.parse(json.stdout())).toEqual({ format: 1, ...answer });
  });
});

describe('the target', () => {
  const reader = fakeReader(SAMPLE);

  test.each([
    ['912345', { change: 912345, patchset: null }],
    ['912345,3', { change: 912345, patchset: 3 }],
    [RUNNING.slice(0, 8), { job: RUNNING }],
  ])('by %s', (text, target) => {
    expect(parseTarget(text, reader)).toEqual(target);
  });

  test.each(['nothing', '', '912345,'])('%j: unknown', (text) => {
    expect(() => parseTarget(text, reader)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
