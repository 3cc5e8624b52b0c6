/** The contract of runners, on this host or on a node. */

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, Runner } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Stage } from '../../src/machines/model/domain.ts';
import { NEVER } from '../fixtures/never.ts';

type RunStage = EffectOf<'runStage'>;

export interface RunnerHarness {
  readonly runner: Runner;
  /** A run that continues until `finish`, on a separate server. */
  newRun(stage?: Stage): Promise<ControlledRun>;
  close(): Promise<void>;
}

export interface ControlledRun {
  readonly request: RunStage;
  /** Ends the command with this exit code. */
  finish(code: number): Promise<void>;
  /** How many times the command has started, as observed from outside. */
  begun(): Promise<number>;
}

export function runnerContract(name: string, start: () => Promise<RunnerHarness>): void {
  describe(`runner contract: ${name}`, () => {
    let harness: RunnerHarness;

    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    test('runs a command and reports its end', async () => {
      const run = await harness.newRun();
      const handle = await harness.runner.start(run.request, NEVER);
      expect(handle.adopted).toBe(false);
      expect(handle.pid).toBeGreaterThan(1);
      await run.finish(3);
      expect(await handle.ended).toMatchObject({ how: 'exited', code: 3 });
      expect(await run.begun()).toBe(1);
    });

    test('adopts a run that is in progress, and does not start it twice', async () => {
      const run = await harness.newRun();
      const first = await harness.runner.start(run.request, NEVER);
      const second = await harness.runner.start(run.request, NEVER);
      expect(second).toMatchObject({ pid: first.pid, adopted: true });
      await run.finish(0);
      const ends = await Promise.all([first.ended, second.ended]);
      expect(ends).toEqual(Array(2).fill({ how: 'exited', code: 0 }));
      expect(await run.begun()).toBe(1);
    });

    test('starts once when several starts race', async () => {
      const run = await harness.newRun();
      const handles = await Promise.all([1, 2, 3].map(() => harness.runner.start(run.request, NEVER)));
      expect(new Set(handles.map(({ pid }) => pid)).size).toBe(1);
      expect(handles.filter(({ adopted }) => !adopted)).toHaveLength(1);
      await run.finish(0);
      await Promise.all(handles.map(({ ended }) => ended));
      expect(await run.begun()).toBe(1);
    });

    test('adopts a run that has ended', async () => {
      const run = await harness.newRun();
      const first = await harness.runner.start(run.request, NEVER);
      await run.finish(7);
      await first.ended;
      const second = await harness.runner.start(run.request, NEVER);
      expect(second.adopted).toBe(true);
      expect(await second.ended).toMatchObject({ how: 'exited', code: 7 });
      expect(await run.begun()).toBe(1);
    });

    test('does not end a run when it is detached', async () => {
      const run = await harness.newRun();
      const first = await harness.runner.start(run.request, NEVER);
      let ended = false;
      void first.ended.then(() => {
        ended = true;
      });
      first.detach();
      const second = await harness.runner.start(run.request, NEVER);
      expect(second).toMatchObject({ pid: first.pid, adopted: true });
      await run.finish(0);
      expect(await second.ended).toEqual({ how: 'exited', code: 0 });
      expect(ended).toBe(false);
    });

    test('keeps attempts and stages apart', async () => {
      const stacking = await harness.newRun('stacking');
      const testing: RunStage = { ...stacking.request, run: { ...stacking.request.run, stage: 'testing' } };
      const owner = { ...testing.run.owner, attempt: 2 };
      const again: RunStage = { ...testing, run: { ...testing.run, owner } };
      const handles = [];
      for (const request of [stacking.request, testing, again])
        handles.push(await harness.runner.start(request, NEVER));
      expect(handles.map(({ adopted }) => adopted)).toEqual([false, false, false]);
      for (const request of [testing, again]) await harness.runner.stop(request.run, NEVER);
      await stacking.finish(0);
      expect(await Promise.all(handles.map(({ ended }) => ended))).toEqual([
        { how: 'exited', code: 0 },
        { how: 'stopped' },
        { how: 'stopped' },
      ]);
    });

    test('stops a run, and stopping it again is not an error', async () => {
      const run = await harness.newRun();
      const handle = await harness.runner.start(run.request, NEVER);
      await harness.runner.stop(run.request.run, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      await harness.runner.stop(run.request.run, NEVER);
      const after = await harness.runner.start(run.request, NEVER);
      expect(await after.ended).toEqual({ how: 'stopped' });
    });

    test('keeps the result of a run that had ended before it was stopped', async () => {
      const run = await harness.newRun();
      const handle = await harness.runner.start(run.request, NEVER);
      await run.finish(0);
      await handle.ended;
      await harness.runner.stop(run.request.run, NEVER);
      const after = await harness.runner.start(run.request, NEVER);
      expect(await after.ended).toEqual({ how: 'exited', code: 0 });
    });

    test('never starts a run that was stopped before its start', async () => {
      const run = await harness.newRun();
      await harness.runner.stop(run.request.run, NEVER);
      const handle = await harness.runner.start(run.request, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      expect(await run.begun()).toBe(0);
    });

    test('starts, stops and reads nothing after an abort', async () => {
      const run = await harness.newRun();
      const { runner } = harness;
      const aborted = AbortSignal.abort();
      await expect(runner.start(run.request, aborted)).rejects.toBeInstanceOf(OperationError);
      expect(await run.begun()).toBe(0);
      const handle = await runner.start(run.request, NEVER);
      await expect(runner.stop(run.request.run, aborted)).rejects.toBeInstanceOf(OperationError);
      const { server } = run.request.run;
      const read = runner.readResults(server, { format: 'tap', file: 'results.tap' }, 60_000, aborted);
      await expect(read).rejects.toBeInstanceOf(OperationError);
      await run.finish(0);
      expect(await handle.ended).toEqual({ how: 'exited', code: 0 });
    });

    test('reports missing results as unreadable', async () => {
      const run = await harness.newRun();
      const { server } = run.request.run;
      const results = await harness.runner.readResults(
        server,
        { format: 'tap', file: 'results.tap' },
        60_000,
        NEVER,
      );
      expect(results).toEqual({ unreadable: 'results.tap: no such file' });
    });
  });
}
