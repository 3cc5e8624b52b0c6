/** The vote after partial runs: verdicts of other jobs count, and the comment names them. */
import { describe, expect, test } from 'vitest';
import type { JobSpec, Patchset } from '../../src/machines/model/domain.ts';
import { jobSpec } from '../machines/facts.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { CiHarness, type CiHarnessOptions, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { abandoned, comment, created, FIRST, patchset } from './gerrit-events.ts';
import { violations } from './violations.ts';

const [ISCSI, FC] = ['acme-iscsi', 'acme-fc'];
const LAZY = { include: [], exclude: ['TRIVIAL_REBASE', 'NO_CODE_CHANGE'] };

const spec = (name: string): JobSpec =>
  jobSpec({ name, exitCodeIsResult: true, results: null, stacking: null });
const failing = new Set<string>();

/** Two voting jobs; those in `failing` fail. */
async function started(options: CiHarnessOptions = {}): Promise<CiHarness> {
  failing.clear();
  const ci = new CiHarness({
    slots: 5,
    specs: [spec(ISCSI), spec(FC)],
    rules: { jobs: [jobRules({ name: ISCSI }), jobRules({ name: FC, comments: ['^check fc'] })] },
    stage: ({ name }) => ({
      ...SUCCESSFUL_STAGE,
      outcome: { how: 'exited', code: failing.has(name) ? 1 : 0 },
    }),
    ...options,
  });
  await ci.start();
  return ci;
}

let enqueued = 0;
/** As `sos-ci enqueue CHANGE JOB...` does. */
async function enqueue(ci: CiHarness, jobs: readonly string[], on: Patchset = patchset()): Promise<void> {
  enqueued += 1;
  await ci.daemon.admission.start(on, jobs, `enqueued-${enqueued}`);
  await ci.run();
}

const last = (ci: CiHarness) => ci.reviewer.posted.at(-1);
const vote = (ci: CiHarness, number = 1) => ci.reviewer.vote(FIRST, number);

async function iscsiFailed(): Promise<CiHarness> {
  const ci = await started();
  failing.add(ISCSI);
  ci.emit(created());
  await ci.run();
  expect([last(ci)?.labels, vote(ci)]).toEqual([{ Verified: -1 }, -1]);
  return ci;
}

describe('a partial run after a failure', () => {
  test.each([
    ['enqueued by an operator', (ci: CiHarness) => enqueue(ci, [FC])],
    [
      'requested by a comment',
      async (ci: CiHarness) => {
        ci.emit(comment('check fc'));
        await ci.run();
      },
    ],
  ])('does not raise the vote, and names the vote that stays: %s', async (_, begin) => {
    const ci = await iscsiFailed();
    await begin(ci);
    expect(ci.reviewer.posted).toHaveLength(2);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{}, -1]);
    expect(last(ci)?.message).toMatch(/^Build succeeded/);
    expect(last(ci)?.message).toMatch(/^Verified-1 stays: acme-iscsi failed, https:\/\/\S+\.$/m);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('does not restore a vote that a person removed', async () => {
    const ci = await iscsiFailed();
    ci.reviewer.setVote(FIRST, 1, 0);
    await enqueue(ci, [FC]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{}, 0]);
    expect(last(ci)?.message).toMatch(/^No vote: acme-iscsi failed, /m);
    ci.store.close();
  });

  test('removes a positive vote that the failure contradicts', async () => {
    const ci = await iscsiFailed();
    ci.reviewer.setVote(FIRST, 1, 1);
    await enqueue(ci, [FC]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{ Verified: 0 }, 0]);
    expect(last(ci)?.message).toMatch(/^Verified\+1 is taken back: acme-iscsi failed, /m);
    ci.store.close();
  });

  test('that repairs the failed job raises the vote, and names the other verdict', async () => {
    const ci = await iscsiFailed();
    failing.clear();
    await enqueue(ci, [ISCSI]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{ Verified: 1 }, 1]);
    expect(last(ci)?.message).toMatch(/^Verified\+1 also counts: acme-fc succeeded, https:\/\/\S+\.$/m);
    ci.store.close();
  });

  test('uses the configuration at that time, and names a removed job', async () => {
    const ci = await iscsiFailed();
    const { settings } = ci.daemon.admission;
    const jobs = settings.rules.jobs.filter(({ name }) => name !== ISCSI);
    ci.daemon.admission.updateSettings({ ...settings, rules: { ...settings.rules, jobs } });
    await enqueue(ci, [FC]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{ Verified: 1 }, 1]);
    expect(last(ci)?.message).toContain('Not counted: acme-iscsi is not in the configuration any more.');
    ci.store.close();
  });
});

describe('a vote that cannot be read', () => {
  test('is read again, and our vote follows', async () => {
    const ci = await started();
    const trouble = { operation: 'read', target: '', message: 'away', retryable: true, hint: '' };
    ci.reviewer.failNext(trouble, 'readChangeState');
    ci.reviewer.failNext(trouble, 'readChangeState');
    ci.emit(created());
    await ci.run();
    expect(vote(ci)).toBe(1);
    ci.store.close();
  });

  test('withholds a positive vote if retries cannot help, but no negative one', async () => {
    const ci = await started();
    const trouble = { operation: 'read', target: '', message: 'no', retryable: false, hint: '' };
    ci.reviewer.failNext(trouble, 'readChangeState');
    ci.emit(created());
    await ci.run();
    expect(vote(ci)).toBe(0);
    expect(last(ci)?.message).toContain('No vote: the vote that is on the change could not be read.');
    failing.add(FC);
    ci.reviewer.failNext(trouble, 'readChangeState');
    await enqueue(ci, [ISCSI, FC]);
    expect(vote(ci)).toBe(-1);
    ci.store.close();
  });
});

describe('a patchset of a kind that the jobs exclude', () => {
  const rules = { jobs: [ISCSI, FC].map((name) => jobRules({ name, kinds: LAZY })) };
  const rebased = { ...created(FIRST, 2), kind: 'TRIVIAL_REBASE' } as ReturnType<typeof created>;

  test('gets the vote of a run on the previous patchset that ends later', async () => {
    const ci = await started({ rules });
    ci.emit(created());
    await ci.run(() => ci.runner.running().length === 2);
    ci.reviewer.current.set(FIRST, 2);
    ci.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE']);
    ci.emit(rebased);
    await ci.run();
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 2, labels: { Verified: 1 } }]);
    expect(last(ci)?.message).toContain(
      'Patchset 1 was tested; patchset 2 is a trivial rebase, so the vote counts for it.',
    );
    expect([vote(ci, 1), vote(ci, 2)]).toEqual([0, 1]);
    ci.store.close();
  });

  test('gets the vote of both jobs when only one of them excludes it', async () => {
    const jobs = [jobRules({ name: ISCSI }), jobRules({ name: FC, kinds: LAZY })];
    const ci = await started({ rules: { jobs } });
    ci.emit(created());
    await ci.run(() => ci.runner.running().length === 2);
    ci.reviewer.current.set(FIRST, 2);
    ci.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE']);
    ci.emit(rebased);
    await ci.run();
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 2, labels: { Verified: 1 } }]);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  /** Patchset 2 is uploaded after the vote was computed for patchset 1 and before the post arrives. */
  async function replacedBeforeThePost(kind: string): Promise<CiHarness> {
    const ci = await started({ rules });
    ci.reviewer.holdNext('request');
    ci.emit(created());
    await ci.run(() => ci.reviewer.calls.held === 1);
    ci.reviewer.current.set(FIRST, 2);
    ci.reviewer.kinds.set(FIRST, ['REWORK', kind]);
    ci.reviewer.calls.release();
    await ci.run();
    return ci;
  }

  test('gets the vote that was computed just before its upload', async () => {
    const ci = await replacedBeforeThePost('TRIVIAL_REBASE');
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 2, labels: { Verified: 1 } }]);
    expect([vote(ci, 1), vote(ci, 2)]).toEqual([0, 1]);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('does not get it when its kind is tested', async () => {
    const ci = await replacedBeforeThePost('REWORK');
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 1, labels: {} }]);
    expect([vote(ci, 1), vote(ci, 2)]).toEqual([0, 0]);
    ci.store.close();
  });

  test('does not delay the comment when patchsets keep arriving', async () => {
    const ci = await started({ rules });
    ci.emit(created());
    ci.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE', 'TRIVIAL_REBASE']);
    for (const current of [2, 3]) {
      ci.reviewer.holdNext('request');
      await ci.run(() => ci.reviewer.calls.held === 1);
      ci.reviewer.current.set(FIRST, current);
      ci.reviewer.calls.release();
      await ci.run(() => ci.reviewer.calls.held === 0);
    }
    await ci.run();
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 2, labels: {} }]);
    ci.store.close();
  });

  test('keeps no copied vote that a later run on the previous patchset contradicts', async () => {
    const ci = await started({ rules });
    ci.emit(created());
    await ci.run();
    expect(vote(ci)).toBe(1);
    ci.reviewer.current.set(FIRST, 2);
    ci.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE']);
    ci.reviewer.setVote(FIRST, 2, 1);
    failing.add(FC);
    await enqueue(ci, [FC]);
    expect(last(ci)).toMatchObject({ patchset: 2, labels: { Verified: -1 } });
    expect(vote(ci, 2)).toBe(-1);
    ci.store.close();
  });

  test('a run on the previous patchset is posted without a vote if it does not count', async () => {
    const ci = await started();
    ci.reviewer.current.set(FIRST, 2);
    await enqueue(ci, [ISCSI, FC]);
    expect(ci.reviewer.posted).toMatchObject([{ patchset: 1, labels: {} }]);
    ci.store.close();
  });
});

describe('a change that was moved to another branch', () => {
  const moved: Patchset = { ...patchset(), branch: 'stable/1' };
  const rules = { jobs: [ISCSI, FC].map((name) => jobRules({ name, branches: ['master', 'stable/*'] })) };

  test('gets no vote from a partial run there and results of the previous branch', async () => {
    const ci = await started({ rules });
    await enqueue(ci, [ISCSI, FC]);
    expect(vote(ci)).toBe(1);
    ci.reviewer.setVote(FIRST, 1, 0);
    ci.reviewer.branches.set(FIRST, 'stable/1');
    await enqueue(ci, [ISCSI], moved);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{}, 0]);
    expect(last(ci)?.message).toContain('No vote: acme-fc has no result yet.');
    await enqueue(ci, [FC], moved);
    expect(vote(ci)).toBe(1);
    ci.store.close();
  });

  test('gets no vote from a run for the previous branch that ends after the move', async () => {
    const ci = await started({ rules });
    ci.reviewer.branches.set(FIRST, 'stable/1');
    await enqueue(ci, [ISCSI, FC]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{}, 0]);
    expect(last(ci)?.message).toContain('No vote: the change was moved to stable/1.');
    ci.store.close();
  });

  test('keeps a failure on the branch to which it returns', async () => {
    const ci = await started({ rules });
    failing.add(ISCSI);
    await enqueue(ci, [ISCSI, FC]);
    failing.clear();
    await enqueue(ci, [ISCSI, FC], moved);
    ci.reviewer.setVote(FIRST, 1, 0);
    await enqueue(ci, [FC]);
    expect([last(ci)?.labels, vote(ci)]).toEqual([{}, 0]);
    expect(last(ci)?.message).toMatch(/^No vote: acme-iscsi failed, /m);
    ci.store.close();
  });
});

test('a job that timed out gets no vote from its older success', async () => {
  let slowMs = 60_000;
  const ci = await started({
    report: { jobTimeoutMs: 300_000 },
    stage: ({ name }) => ({
      afterMs: name === FC ? slowMs : 60_000,
      outcome: { how: 'exited', code: failing.has(name) ? 1 : 0 },
    }),
  });
  await enqueue(ci, [ISCSI, FC]);
  ci.reviewer.setVote(FIRST, 1, 0);
  failing.add(FC);
  slowMs = 900_000;
  await enqueue(ci, [ISCSI, FC]);
  expect([last(ci)?.labels, vote(ci)]).toEqual([{}, 0]);
  expect(last(ci)?.message).toContain('No vote: acme-fc has not ended.');
  expect(ci.jobs().at(-1)?.verdict).toBe('FAILURE');
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});

describe('a job that its review no longer waits for', () => {
  async function overtime() {
    const ci = await started({
      report: { jobTimeoutMs: 300_000 },
      stage: ({ name }) => (name === FC ? null : { afterMs: 60_000, outcome: { how: 'exited', code: 0 } }),
    });
    await ci.daemon.admission.start(patchset(), [ISCSI, FC], 'first');
    await ci.run(() => ci.reviewer.posted.length === 1);
    await ci.run(() => ci.store.reviews({ open: true, limit: 9 }).length === 0);
    return ci;
  }
  const fcJobs = (ci: CiHarness) => ci.jobs().filter(({ name }) => name === FC);

  test('ends when a newer patchset arrives', async () => {
    const ci = await overtime();
    ci.emit(created(FIRST, 2));
    await ci.run(() => fcJobs(ci)[0]?.ended === true);
    expect(fcJobs(ci)[0]).toMatchObject({ verdict: 'ABORTED', patchset: 1 });
    ci.store.close();
  });

  test('ends when a query finds the change closed', async () => {
    const ci = await overtime();
    ci.past.say(abandoned());
    ci.daemon.stream?.sendInvalidLine({ reason: 'overlong', sample: '{"type', unread: true });
    await ci.run(() => fcJobs(ci)[0]?.ended === true);
    expect(fcJobs(ci)[0]).toMatchObject({ verdict: 'ABORTED', reason: 'the change was abandoned' });
    ci.store.close();
  });

  test('is not started again on the same patchset', async () => {
    const ci = await overtime();
    ci.emit(comment('recheck'));
    await ci.run(() => ci.jobs().length === 3);
    await ci.run(() => ci.reviewer.posted.length === 2);
    expect(fcJobs(ci)).toHaveLength(1);
    ci.store.close();
  });
});

test('reviews of one change post one after the other', async () => {
  const ci = await started();
  failing.add(ISCSI);
  ci.reviewer.holdNext('request');
  await ci.daemon.admission.start(patchset(), [ISCSI], 'first');
  await ci.daemon.admission.start(patchset(), [FC], 'second');
  await ci.run(() => ci.reviewer.calls.held === 1 && ci.reviewer.calls.count('readChangeState') === 1);
  await ci.run(() => ci.openWork().some(({ state }) => state === 'computingVote.awaitingTurn'));
  expect(ci.reviewer.calls.count('post')).toBe(1);
  ci.reviewer.calls.release();
  await ci.run();
  expect(ci.reviewer.posted.map(({ labels }) => labels)).toEqual([{ Verified: -1 }, {}]);
  expect(vote(ci)).toBe(-1);
  expect(violations(ci)).toEqual([]);
  ci.store.close();
});
