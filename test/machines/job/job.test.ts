/**
 * job@1, one transition at a time: given the earlier events, an event leads to this state and exactly these effects.
 * Cancels, late answers and other orders are tested in the files beside this one.
 */
import { describe, expect, test } from 'vitest';
import type { Effect } from '../../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import {
  accepted,
  FACTS,
  failure,
  JOB,
  jobSpec,
  PASSED,
  PATCHSET,
  REVIEW,
  START,
  server,
  TREE,
} from '../facts.ts';
import { ignored, invariantViolations } from '../invariants.ts';
import { runUntil, Simulator, succeed, succeedExcept } from '../simulator.ts';

const owner = (attempt = 1) => ({ deployment: 'lab-1', job: JOB, attempt });
const timer = (key: string, delayMs: number, at: number = START): Effect => ({
  type: 'setTimer',
  key,
  dueAt: at + delayMs,
  delayMs,
});
const withdrawn = (key: string): Effect => ({ type: 'cancelEffect', key });
const exited = (stage: 'stacking' | 'testing', code = 0): AnyEvent => ({
  type: 'stage.exited',
  stage,
  end: { how: 'exited', code },
});

/** A job that has reached `state` without a failure. */
const jobIn = (state: string, spec = jobSpec()) => runUntil(Simulator.job(spec), JOB, state);

describe('a successful job', () => {
  test('waits for its review first, and then for a slot', () => {
    const [begun, released] = Simulator.job(jobSpec({ headStartMs: 7 })).rowsOf(JOB);
    expect(begun?.state).toBe('queued.preparing');
    expect(begun?.effects).toEqual([timer('deadline:queued', 86_400_000)]);
    expect(released?.state).toBe('queued.waiting');
    const { project } = PATCHSET;
    expect(released?.effects).toEqual([
      {
        type: 'acquireSlot',
        key: 'slot',
        provider: 'local',
        name: 'acme-dsvm',
        project,
        headStartMs: 7,
        promoted: false,
      },
    ]);
  });

  test.each(['SKIPPED', 'MERGER_FAILURE', 'NODE_FAILURE', 'ABORTED'] as const)(
    'reports %s at once when its review rejects it',
    (verdict) => {
      const simulator = new Simulator();
      simulator.send(JOB, accepted());
      const row = simulator.send(JOB, { type: 'job.rejected', verdict, reason: 'docs only' });
      expect(row.state).toBe('reporting');
      expect(row.effects).toContainEqual({
        type: 'sendEvent',
        to: REVIEW,
        event: {
          type: 'job.reported',
          report: expect.objectContaining({ verdict, reason: 'docs only', url: null }),
        },
      });
      expect(invariantViolations(simulator)).toEqual([]);
    },
  );

  test('boots its own server once it has a slot', () => {
    const row = Simulator.job().answerType(JOB, 'acquireSlot');
    expect(row.state).toBe('booting.creating');
    expect(row.effects).toEqual([
      withdrawn('deadline:queued'),
      {
        type: 'createServer',
        key: 'createServer:1',
        provider: 'local',
        name: 'sos-ci-job-1-1',
        owner: owner(),
        timeoutMs: 900_000,
      },
      timer('deadline:booting:1', 900_000),
    ]);
  });

  test('fetches the patchset to it', () => {
    const row = jobIn('booting.creating').answerType(JOB, 'createServer');
    expect(row.state).toBe('stacking.fetching');
    expect(row.effects).toEqual([
      withdrawn('deadline:booting:1'),
      {
        type: 'fetchPatchset',
        key: 'fetchPatchset:1',
        server: server(),
        patchset: PATCHSET,
        trees: [TREE],
        timeoutMs: 600_000,
      },
      timer('deadline:fetching:1', 600_000),
    ]);
  });

  test.each([
    ['stacking.fetching', 'fetchPatchset', 'stacking', 'deadline:fetching:1', 3_630_000],
    ['stacking.running', 'runStage', 'testing', 'deadline:stacking:1', 7_230_000],
  ] as const)('runs a stage after %s', (before, settles, stage, disarmed, guardMs) => {
    const spec = jobSpec();
    const row = jobIn(before).answerType(JOB, settles);
    expect(row.state).toBe(`${stage}.running`);
    expect(row.effects).toEqual([
      withdrawn(disarmed),
      {
        type: 'runStage',
        key: `runStage:${stage}:1`,
        run: { server: server(), owner: owner(), stage },
        spec: spec[stage],
        patchset: PATCHSET,
        name: 'acme-dsvm',
      },
      timer(`deadline:${stage}:1`, guardMs),
    ]);
  });

  test('goes directly to testing without a stacking stage', () => {
    const row = jobIn('stacking.fetching', jobSpec({ stacking: null })).answerType(JOB, 'fetchPatchset');
    expect(row.state).toBe('testing.running');
  });

  test('reads the results, then collects', () => {
    const simulator = jobIn('testing.running');
    const reading = simulator.answerType(JOB, 'runStage');
    expect(reading.state).toBe('testing.readingResults');
    expect(reading.effects).toEqual([
      withdrawn('deadline:testing:1'),
      {
        type: 'readResults',
        key: 'readResults:1',
        server: server(),
        results: { format: 'tap', file: 'results.tap' },
        timeoutMs: 60_000,
      },
      timer('deadline:results:1', 120_000),
    ]);
    const collecting = simulator.answerType(JOB, 'readResults');
    expect(collecting.state).toBe('publishing.collecting');
    expect(collecting.effects).toEqual([
      withdrawn('deadline:results:1'),
      {
        type: 'collectEvidence',
        key: 'collectEvidence:1',
        owner: owner(),
        server: server(),
        patchset: PATCHSET,
        name: 'acme-dsvm',
        pipeline: 'check',
        configuration: jobSpec(),
        // The results file is evidence too.
        logs: ['logs', 'results.tap'],
        limitBytes: 1_000_000,
        limitFiles: 100,
        timeoutMs: 500_000,
      },
      timer('deadline:collecting:1', 500_000),
    ]);
    expect(simulator.at(JOB).context).toMatchObject({ verdict: 'SUCCESS', reason: '', results: PASSED });
  });

  test.each([
    [['logs'], ['logs', 'results.tap']],
    [['results.tap'], ['results.tap']],
    [[], ['results.tap']],
  ])('collects its results file whether or not logs names it: %j', (logs, collected) => {
    const simulator = runUntil(Simulator.job(jobSpec({ logs })), JOB, 'publishing.collecting');
    expect(simulator.inFlight(JOB)).toMatchObject([{ type: 'collectEvidence', logs: collected }]);
  });

  test('does not collect the results file twice if logs names its directory', () => {
    const logsOf = (results: string | null) => {
      const spec = jobSpec({
        logs: ['out'],
        results: results === null ? null : { format: 'tap', file: results },
      });
      const simulator = runUntil(Simulator.job(spec), JOB, 'publishing.collecting');
      return simulator
        .inFlight(JOB)
        .map((effect) => (effect.type === 'collectEvidence' ? effect.logs : null));
    };
    expect(logsOf('out/results.tap')).toEqual([['out']]);
    expect(logsOf('output/results.tap')).toEqual([['out', 'output/results.tap']]);
    expect(logsOf(null)).toEqual([['out']]);
  });

  test('lists the other jobs and the merged commits on its page', () => {
    const simulator = new Simulator(succeed);
    const { change, patchset, project, branch, ref, revision } = PATCHSET;
    const dependencies = [{ change, patchset, project, branch, ref, revision }];
    const siblings = [{ job: 'job-2', name: 'acme-fc' }];
    simulator.send(JOB, { ...accepted(), siblings } as AnyEvent);
    simulator.send(JOB, { type: 'job.ready', trees: [TREE], dependencies });
    runUntil(simulator, JOB, 'publishing.uploading');
    expect(simulator.inFlight(JOB)).toMatchObject([
      { type: 'publishEvidence', trees: [TREE], dependencies, siblings, results: PASSED },
    ]);
  });

  test('keeps what its stages report about themselves', () => {
    const simulator = new Simulator((effect, one) =>
      effect.type === 'runStage'
        ? {
            type: 'stage.exited',
            stage: effect.run.stage,
            end: { how: 'exited', code: 0 },
            facts:
              effect.run.stage === 'stacking' ? { ansible: '2.19.3', proxy: true } : { tempest: '41.0.0' },
          }
        : succeed(effect, one),
    );
    simulator.send(JOB, accepted());
    simulator.send(JOB, { type: 'job.ready', trees: [TREE] });
    runUntil(simulator, JOB, 'publishing.uploading');
    expect(simulator.inFlight(JOB)).toMatchObject([
      { environment: { stages: { ansible: '2.19.3', proxy: true, tempest: '41.0.0' } } },
    ]);
  });

  test('publishes, reports its verdict once, and cleans up', () => {
    const simulator = jobIn('publishing.collecting');
    const uploading = simulator.answerType(JOB, 'collectEvidence');
    expect(uploading.effects[1]).toEqual({
      type: 'publishEvidence',
      key: 'publishEvidence:1',
      owner: owner(),
      patchset: PATCHSET,
      name: 'acme-dsvm',
      pipeline: 'check',
      verdict: 'SUCCESS',
      reason: '',
      results: PASSED,
      trees: [TREE],
      dependencies: [],
      siblings: [],
      environment: { server: server(), facts: FACTS, stages: {} },
      timeoutMs: 550_000,
    });
    simulator.now += 61_000;
    const reporting = simulator.answerType(JOB, 'publishEvidence');
    expect(reporting.state).toBe('reporting');
    const report = {
      job: JOB,
      name: 'acme-dsvm',
      voting: true,
      verdict: 'SUCCESS',
      reason: '',
      lastLine: null,
      evidence: 'published',
      url: 'https://logs.example.org/job-1/',
      durationMs: 61_000,
      results: PASSED,
    };
    expect(reporting.effects).toEqual([
      withdrawn('deadline:uploading:1'),
      { type: 'sendEvent', to: REVIEW, event: { type: 'job.reported', report } },
      timer('deadline:reporting', 3_600_000, START + 61_000),
    ]);
    const cleanup = simulator.send(JOB, { type: 'verdict.accepted' });
    expect(cleanup.state).toBe('cleanup.deleting');
    expect(cleanup.effects).toEqual([
      withdrawn('deadline:reporting'),
      {
        type: 'deleteServer',
        key: 'deleteServer:1',
        provider: 'local',
        owner: owner(),
        timeoutMs: 300_000,
      },
      timer('deadline:deleting:1', 300_000, START + 61_000),
    ]);
    expect(simulator.answerType(JOB, 'deleteServer').effects).toEqual([
      withdrawn('deadline:deleting:1'),
      {
        type: 'discardEvidence',
        key: 'discardEvidence:1',
        job: JOB,
        part: 'all',
        timeoutMs: 300_000,
      },
      timer('deadline:discarding:1', 300_000, START + 61_000),
    ]);
    const done = simulator.answerType(JOB, 'discardEvidence');
    expect([done.state, done.effects]).toEqual(['done', [withdrawn('deadline:discarding:1')]]);
    expect(simulator.at(JOB)).toMatchObject({
      ended: true,
      pending: {},
      context: { slot: false, server: null },
    });
  });

  test('passes the seven states in their order', () => {
    const simulator = Simulator.reviewWithJobs().run();
    const states = simulator.rowsOf(JOB).map((row) => row.state.split('.')[0]);
    expect([...new Set(states)]).toEqual([
      'queued',
      'booting',
      'stacking',
      'testing',
      'publishing',
      'reporting',
      'cleanup',
      'done',
    ]);
    expect(invariantViolations(simulator)).toEqual([]);
    expect(ignored(simulator)).toEqual([]);
  });
});

describe('a failing setup', () => {
  test.each([
    ['booting.creating', 'createServer', { type: 'server.create-failed', failure: failure('create server') }],
    [
      'stacking.fetching',
      'fetchPatchset',
      { type: 'patchset.fetch-failed', failure: failure('fetch patchset') },
    ],
    ['stacking.running', 'runStage', exited('stacking', 1)],
    ['stacking.running', 'runStage', { type: 'stage.lost', stage: 'stacking', why: 'rebooted' }],
    [
      'stacking.running',
      'runStage',
      { type: 'stage.start-failed', stage: 'stacking', failure: failure('run stage') },
    ],
  ] as const)('is cleaned up and retried: %s, %s', (state, settles, event) => {
    const simulator = jobIn(state);
    const row = simulator.answerType(JOB, settles, event as AnyEvent);
    expect(row.state).toBe('booting.cleaningUp.deleting');
    expect(row.effects.map((effect) => 'key' in effect && effect.key)).toContain('deleteServer:1');
    expect(simulator.answerType(JOB, 'deleteServer').effects).toEqual([
      withdrawn('deadline:deleting:1'),
      timer('retry:booting:1', 30_000),
    ]);
    const again = simulator.fire(JOB);
    expect(again.state).toBe('booting.creating');
    expect(again.effects[0]).toMatchObject({
      key: 'createServer:2',
      name: 'sos-ci-job-1-2',
      owner: owner(2),
    });
  });

  test.each([
    ['booting.creating', 'NODE_FAILURE', 'create server: it broke'],
    ['stacking.fetching', 'RETRY_LIMIT', 'fetch patchset: it broke'],
    ['stacking.running', 'RETRY_LIMIT', 'stacking: its command exited with 1'],
  ])('in %s for the last time is %s, and its evidence is published', (state, verdict, reason) => {
    const simulator = jobIn(state, jobSpec({ limits: { setupAttempts: 1 } }));
    const [effect] = simulator.inFlight(JOB);
    const bad = {
      createServer: { type: 'server.create-failed', failure: failure('create server') },
      fetchPatchset: { type: 'patchset.fetch-failed', failure: failure('fetch patchset') },
      runStage: exited('stacking', 1),
    } as Readonly<Record<string, AnyEvent>>;
    const row = simulator.answer(JOB, effect?.key ?? '', bad[effect?.type ?? '']);
    expect(row.state).toBe('publishing.collecting');
    expect(simulator.at(JOB).context).toMatchObject({ verdict, reason });
    expect(simulator.run().at(JOB).state).toBe('done');
  });

  test('waits twice as long for each further attempt', () => {
    const simulator = Simulator.job(jobSpec({ limits: { setupAttempts: 4 } }));
    simulator.answers = succeedExcept('createServer', {
      type: 'server.create-failed',
      failure: failure('create server'),
    });
    const waits = simulator
      .run()
      .rowsOf(JOB)
      .flatMap((row) => row.effects)
      .flatMap((effect) =>
        effect.type === 'setTimer' && effect.key.startsWith('retry:') ? [effect.delayMs] : [],
      );
    expect(waits).toEqual([30_000, 60_000, 120_000]);
    expect(simulator.undelivered[0]?.event).toMatchObject({ report: { verdict: 'NODE_FAILURE' } });
  });
});
