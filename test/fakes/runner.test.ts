/** The fake fulfils the contract of runners, and its additions for tests work. */

import { describe, expect, it } from 'vitest';
import type { EffectOf } from '../../src/engine/ports/adapters.ts';
import type { Stage } from '../../src/machines/model/domain.ts';
import { runnerContract } from '../contracts/runner.ts';
import { NEVER } from '../fixtures/never.ts';
import { FakeRunner } from './runner.ts';

let runs = 0;

function request(stage: Stage = 'testing'): EffectOf<'runStage'> {
  runs += 1;
  const server = { id: `s${runs}`, name: `s${runs}`, address: '/', provider: 'fake' };
  const owner = { deployment: 'ours', job: `job-${runs}`, attempt: 1 };
  return {
    type: 'runStage',
    key: 'k',
    run: { server, owner, stage },
    spec: { argv: ['true'], timeoutMs: 1, outputLimitBytes: 1 },
    patchset: {
      project: 'p',
      branch: 'master',
      change: 1,
      patchset: 1,
      revision: '0'.repeat(40),
      ref: 'refs/changes/01/1/1',
      subject: '',
      owner: '',
      url: '',
      topic: '',
    },
    name: 'unit',
  };
}

runnerContract('fake', async () => {
  const runner = new FakeRunner();
  return {
    runner,
    async newRun(stage) {
      const wanted = request(stage);
      const { owner, stage: of } = wanted.run;
      return {
        request: wanted,
        finish: async (code) => {
          runner.end(owner, of, { how: 'exited', code });
        },
        begun: async () => runner.started,
      };
    },
    close: async () => {},
  };
});

describe('FakeRunner', () => {
  it('ends runs as scripted, and loses those whose server was deleted', async () => {
    const runner = new FakeRunner();
    runner.script = ({ run }) => (run.stage === 'stacking' ? { how: 'exited', code: 0 } : null);
    const stacking = await runner.start(request('stacking'), NEVER);
    expect(await stacking.ended).toEqual({ how: 'exited', code: 0 });
    const wanted = request();
    const testing = await runner.start(wanted, NEVER);
    expect(runner.running()).toEqual([wanted]);
    runner.serverDeleted(wanted.run.server);
    expect(await testing.ended).toHaveProperty('how', 'lost');
    expect(runner.running()).toEqual([]);
  });

  it('reports the start of a run to every waiter', async () => {
    const runner = new FakeRunner();
    const wanted = request();
    const begun = runner.begun(wanted.run.owner, 'testing');
    await runner.start(wanted, NEVER);
    await begun;
    await runner.begun(wanted.run.owner, 'testing');
    expect(runner.end(wanted.run.owner, 'testing', { how: 'timedOut' })).toBe(true);
    expect(runner.end(wanted.run.owner, 'testing', { how: 'timedOut' })).toBe(false);
  });

  it('reads the results that the test set for the server', async () => {
    const runner = new FakeRunner();
    const { server } = request().run;
    const results = { passed: 1, failed: 0, skipped: 0, failures: [] };
    runner.setResults(server, results);
    expect(await runner.readResults(server, { format: 'tap', file: 'r' }, 60_000, NEVER)).toEqual(results);
  });
});
