/** The contract of janitor runners. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { EffectOf, JanitorRunner } from '../../src/engine/ports/adapters.ts';
import { NEVER } from '../fixtures/never.ts';

export interface JanitorsHarness {
  readonly janitors: JanitorRunner;
  /** A run that continues until `finish`. */
  newRun(): Promise<{
    readonly request: EffectOf<'runJanitor'>;
    /** Ends it with this exit code. */
    finish(code: number): Promise<void>;
    /** How many times it has started. */
    begun(): Promise<number>;
  }>;
  close(): Promise<void>;
}

export function janitorsContract(name: string, start: () => Promise<JanitorsHarness>): void {
  describe(`janitor runner contract: ${name}`, () => {
    let harness: JanitorsHarness;
    beforeEach(async () => {
      harness = await start();
    });
    afterEach(() => harness.close());

    test('runs it, and adopts a run that is in progress or has ended', async () => {
      const run = await harness.newRun();
      const first = await harness.janitors.start(run.request, NEVER);
      const second = await harness.janitors.start(run.request, NEVER);
      expect([first.adopted, second.adopted, second.pid]).toEqual([false, true, first.pid]);
      second.detach();
      await run.finish(3);
      expect(await first.ended).toMatchObject({ how: 'exited', code: 3 });
      const third = await harness.janitors.start(run.request, NEVER);
      expect([third.adopted, await third.ended]).toMatchObject([true, { how: 'exited', code: 3 }]);
      expect(await run.begun()).toBe(1);
    });

    test('stops a run, and stopping again succeeds', async () => {
      const run = await harness.newRun();
      const handle = await harness.janitors.start(run.request, NEVER);
      await harness.janitors.stop(run.request.run, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      await harness.janitors.stop(run.request.run, NEVER);
    });

    test('a run that was stopped before its start never starts', async () => {
      const run = await harness.newRun();
      await harness.janitors.stop(run.request.run, NEVER);
      const handle = await harness.janitors.start(run.request, NEVER);
      expect(await handle.ended).toEqual({ how: 'stopped' });
      expect(await run.begun()).toBe(0);
    });
  });
}
