/** The output of `sos-ci explain JOB` for simulated jobs. */
import { describe, expect, test } from 'vitest';
import { explainJob } from '../../../src/cli/commands/explain-job.ts';
import type { JobView, NumberedRow } from '../../../src/engine/ports/store.ts';
import type { JobContext } from '../../../src/machines/job/machine-setup.ts';
import type { ReportSpec } from '../../../src/machines/model/report-spec.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { CHANGE_STATE, inForce, jobSpec, PATCHSET, reportSpec, START } from '../../machines/facts.ts';
import { type Answers, runUntil, Simulator, succeed } from '../../machines/simulator.ts';

const SPECS = [jobSpec(), jobSpec({ name: 'acme-fc' })];
const FAILED: AnyEvent = {
  type: 'results.read',
  results: { passed: 3, failed: 1, skipped: 0, failures: ['test_evil \u001b[2J'] },
};

const CAUSE = { kind: 'recheck', by: 'dev', at: START, why: 'recheck by dev' };

/** Both jobs are in the configuration. */
const answers: Answers = (effect, simulator) =>
  effect.type === 'readChangeState'
    ? { type: 'change-state.read', change: CHANGE_STATE, jobs: SPECS.map(({ name }) => inForce(name)) }
    : succeed(effect, simulator);

/** Every effect succeeds, except those of this job for which `answer` returns another event. */
const except =
  (job: string, answer: Answers): Answers =>
  (effect, simulator) => {
    const own = simulator.pendingEffects(job).includes(effect);
    return (own ? answer(effect, simulator) : null) ?? answers(effect, simulator);
  };

function viewOf(simulator: Simulator, id: string): JobView {
  const stored = simulator.at(id);
  const { review, spec, attempt, verdict, reason, evidence, url, acceptedAt, endedAt } =
    stored.context as unknown as JobContext;
  const { name, pipeline, provider } = spec;
  const { project, branch, change, patchset, subject, owner } = PATCHSET;
  return {
    ...{ id, review, name, pipeline, provider, project, branch, change, patchset, subject, owner, attempt },
    ...{ verdict, reason, acceptedAt, endedAt, state: stored.state, ended: stored.ended },
    ...{ queued: stored.state.startsWith('queued'), cleaningUp: false, parked: false },
    url: evidence === 'published' ? url : null,
    updatedAt: stored.at,
  };
}

function explain(simulator: Simulator, json = false): string {
  const rows = simulator.log.map((row, index): NumberedRow => {
    const data = row.type === 'review.opened' ? { ...row.data, cause: CAUSE } : row.data;
    return { ...row, data, seq: index + 1 };
  });
  const jobs = ['job-1', 'job-2'].map((id) => viewOf(simulator, id));
  const reader = fakeReader({ rows, jobs, stored: Object.fromEntries(simulator.stored) });
  const io = fakeIo({ now: () => simulator.now, width: 120 });
  expect(explainJob(io, reader, 'job-1', { json })).toBe(0);
  return io.stdout();
}

function simulate(answers: Answers, report: Partial<ReportSpec> = {}): Simulator {
  const simulator = Simulator.reviewWithJobs(SPECS, reportSpec(report));
  simulator.answers = answers;
  return simulator.run();
}

describe('explain JOB', () => {
  test('names the state, the event and the runs that decided the verdict', async () => {
    const simulator = simulate(except('job-1', ({ type }) => (type === 'readResults' ? FAILED : null)));
    await expect(explain(simulator)).toMatchFileSnapshot('../../golden/explain-job.txt');
    await expect(explain(simulator, true)).toMatchFileSnapshot('../../golden/explain-job.json');
  });

  test('shows the last output of a setup that failed in every attempt', () => {
    const exited = { type: 'stage.exited', stage: 'stacking', end: { how: 'exited', code: 2 } } as const;
    const simulator = simulate(
      except('job-1', (effect) =>
        effect.type === 'runStage' ? { ...exited, lastLine: 'No space left' } : null,
      ),
    );
    expect(explain(simulator)).toContain(
      [
        '  verdict   RETRY_LIMIT: stacking: its command exited with 2',
        '  decided   in stacking, 2026-01-02 03:04:35 UTC: stacking exited with code 2: No space left',
        '  output    No space left',
        '  vote      No vote: not every job below ended with a result.',
        '  counted   acme-dsvm: RETRY_LIMIT on patchset 3, this job',
        '            acme-fc: SUCCESS on patchset 3',
      ].join('\n'),
    );
  });

  test.each([
    [{ label: null }, 'No vote: report.label is not set.'],
    [{ enabled: false }, 'No vote: the review ended as shadow.'],
    [{}, 'Verified+1 on patchset 3'],
  ])('of a success with the report %j prints %s', (report, text) => {
    expect(explain(simulate(answers, report))).toContain(`  vote      ${text}\n`);
  });

  test('of a job without a verdict prints its state', () => {
    const simulator = runUntil(Simulator.reviewWithJobs(SPECS), 'job-1', 'testing.running');
    expect(explain(simulator)).toContain(
      '  verdict   none yet: testing\n  vote      No vote yet: the review has not been posted.\n',
    );
  });
});
