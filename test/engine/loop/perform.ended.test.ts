/** The event of a stage that did not succeed includes the last line of its output. */
import { expect, test } from 'vitest';
import { silentAdapters } from '../../../bench/adapters.ts';
import { perform } from '../../../src/engine/loop/perform.ts';
import type { StageEnd } from '../../../src/machines/model/domain.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeRunner } from '../../fakes/runner.ts';
import { ENGINE_BOUNDS } from '../../fixtures/bounds.ts';
import { PATCHSET, server } from '../../machines/facts.ts';

const owner = { deployment: 'lab-1', job: 'job-1', attempt: 2 };

async function ended(end: StageEnd): Promise<unknown> {
  const runner = new FakeRunner();
  const evidence = new FakeEvidence();
  evidence.addFile('job-1', 'attempt-1/stacking.log', 'of an earlier attempt');
  evidence.addFile('job-1', 'attempt-2/stacking.log', 'one\nE: no such package\n');
  runner.script = () => end;
  const run = { server: server(2), owner, stage: 'stacking' } as const;
  return perform(
    {
      type: 'runStage',
      key: 'runStage:stacking:2',
      run,
      spec: { argv: ['true'], timeoutMs: 1_000, outputLimitBytes: 1_000 },
      patchset: PATCHSET,
      name: 'unit',
    },
    {
      adapters: { ...silentAdapters(), runner, evidence },
      clock: new FakeClock(),
      bounds: ENGINE_BOUNDS,
      stopping: new AbortController().signal,
      abort: new AbortController(),
      recovered: false,
      serverUnneeded: false,
      ended: false,
      track: () => {},
      recordTests: () => {},
      emit: () => {},
    },
  );
}

test.each([
  [{ how: 'exited', code: 1 }, { lastLine: 'E: no such package' }],
  [{ how: 'timedOut' }, { lastLine: 'E: no such package' }],
  [{ how: 'exited', code: 0 }, {}],
] as const)('an end of %j', async (end, more) => {
  expect(await ended(end)).toEqual({ type: 'stage.exited', stage: 'stacking', end, ...more });
});
