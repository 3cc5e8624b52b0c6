import { describe, expect, test } from 'vitest';
import { waitCommand } from '../../../src/cli/commands/wait.ts';
import { EXIT, VERDICT_EXIT } from '../../../src/cli/output/exit-codes.ts';
import type { JobView } from '../../../src/engine/ports/store.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED } from '../sample-story.ts';

const running = SAMPLE.jobs.find(({ id }) => id === RUNNING) as JobView;

/** A database in which the job is in the next of these states at each read. */
function storeOf(...states: readonly Partial<JobView>[]) {
  let reads = 0;
  const job = () => ({ ...running, ...states[Math.min(reads++, states.length - 1)] });
  return { ...fakeReader(SAMPLE), job: (id: string) => (id === RUNNING ? job() : null) };
}

describe('wait', () => {
  const waits: number[] = [];
  const sleep = async (ms: number) => void waits.push(ms);

  test('prints each state once, then the verdict, which is the exit code', async () => {
    const io = fakeIo({ now: () => NOW, alive: () => true, progress: true });
    const reader = storeOf(
      { state: 'stacking.running' },
      { state: 'testing.running' },
      { state: 'testing.collecting' },
      { state: 'cleanup.deleting', verdict: 'FAILURE' },
      { state: 'done', ended: true, verdict: 'FAILURE', reason: 'a \u001b[31mtest', url: 'https://logs/1' },
    );
    expect(await waitCommand(io, reader, RUNNING, {}, sleep)).toBe(1);
    const age = '+1h 03m 20s';
    expect(io.stderr()).toBe(`${age} stacking\n${age} testing\n${age} cleanup\n`);
    expect(io.stdout()).toBe('FAILURE: a \\x1b[31mtest\nlogs: https://logs/1\n');
  });

  test('prints no states off a terminal', async () => {
    const io = fakeIo({ now: () => NOW, alive: () => true });
    const reader = storeOf({ state: 'testing.running' }, { ended: true, verdict: 'SUCCESS' });
    expect(await waitCommand(io, reader, RUNNING, {}, sleep)).toBe(0);
    expect({ out: io.stdout(), err: io.stderr() }).toEqual({
      out: expect.stringMatching(/^SUCCESS/),
      err: '',
    });
  });

  test('answers at once for a job that has ended, as JSON too', async () => {
    const io = fakeIo({ now: () => NOW });
    expect(await waitCommand(io, fakeReader(SAMPLE), FAILED, { json: true }, sleep)).toBe(1);
    expect(JSON.parse(io.stdout())).toMatchObject({ job: { id: FAILED, verdict: 'FAILURE', ended: true } });
    expect(io.stderr()).toBe('');
  });

  test('reports that no daemon is running, once, and ends after its timeout', async () => {
    const io = fakeIo({ now: () => NOW });
    waits.length = 0;
    const waiting = waitCommand(io, storeOf({}), RUNNING, { timeout: 2_500 }, sleep);
    await expect(waiting).rejects.toMatchObject({
      exitCode: EXIT.timedOut,
      message: expect.stringContaining('has not ended within'),
    });
    expect(waits).toEqual([1_000, 1_000, 500]);
    expect(io.stderr().split('no daemon is running').length).toBe(2);
  });

  test('has an exit code of its own for its timeout', () => {
    const others = Object.entries(EXIT).filter(([name]) => name !== 'timedOut');
    expect(EXIT.timedOut).toBe(124);
    expect([...others.map(([, code]) => code), ...Object.values(VERDICT_EXIT)]).not.toContain(124);
  });

  test('fails for a job that was parked, which ends without a verdict', async () => {
    const io = fakeIo({ now: () => NOW });
    const waiting = waitCommand(io, storeOf({ ended: true, parked: true }), RUNNING, {}, sleep);
    await expect(waiting).rejects.toMatchObject({ exitCode: EXIT.refused, hint: 'see why: sos-ci alarms' });
  });
});
