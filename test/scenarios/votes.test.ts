/** The vote after partial runs, as Gerrit sees it: what another job came to counts, and the comment says so. */
import { describe, expect, test } from 'vitest';
import type { JobSpec, Patchset } from '../../src/machines/model/domain.ts';
import { jobSpec } from '../machines/facts.ts';
import { jobRules } from '../machines/rule-facts.ts';
import { comment, created, FIRST, patchset } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab, type LabOptions, WELL } from './lab.ts';

const [ISCSI, FC] = ['acme-iscsi', 'acme-fc'];
const LAZY = { include: [], exclude: ['TRIVIAL_REBASE', 'NO_CODE_CHANGE'] };

const spec = (name: string): JobSpec =>
  jobSpec({ name, exitCodeIsResult: true, results: null, stacking: null });
const failing = new Set<string>();

/** Two voting jobs; those in `failing` fail. */
async function started(options: LabOptions = {}): Promise<Lab> {
  failing.clear();
  const lab = new Lab({
    slots: 5,
    specs: [spec(ISCSI), spec(FC)],
    rules: { jobs: [jobRules({ name: ISCSI }), jobRules({ name: FC, comments: ['^check fc'] })] },
    stage: ({ name }) => ({ ...WELL, outcome: { how: 'exited', code: failing.has(name) ? 1 : 0 } }),
    ...options,
  });
  await lab.start();
  return lab;
}

let enqueued = 0;
/** As `sos-ci enqueue CHANGE JOB...` does. */
async function enqueue(lab: Lab, jobs: readonly string[], on: Patchset = patchset()): Promise<void> {
  enqueued += 1;
  await lab.daemon.admission.start(on, jobs, `enqueued-${enqueued}`);
  await lab.run();
}

const last = (lab: Lab) => lab.reviewer.posted.at(-1);
const vote = (lab: Lab, number = 1) => lab.reviewer.vote(FIRST, number);

async function iscsiFailed(): Promise<Lab> {
  const lab = await started();
  failing.add(ISCSI);
  lab.say(created());
  await lab.run();
  expect([last(lab)?.labels, vote(lab)]).toEqual([{ Verified: -1 }, -1]);
  return lab;
}

describe('a partial run after a failure', () => {
  test.each([
    ['enqueued by an operator', (lab: Lab) => enqueue(lab, [FC])],
    [
      'asked for in a comment',
      async (lab: Lab) => {
        lab.say(comment('check fc'));
        await lab.run();
      },
    ],
  ])('raises no vote, and says which vote stays: %s', async (_, begin) => {
    const lab = await iscsiFailed();
    await begin(lab);
    expect(lab.reviewer.posted).toHaveLength(2);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{}, -1]);
    expect(last(lab)?.message).toMatch(/^Build succeeded/);
    expect(last(lab)?.message).toMatch(/^Verified-1 stays: acme-iscsi failed, https:\/\/\S+\.$/m);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('does not restore a vote that a person removed', async () => {
    const lab = await iscsiFailed();
    lab.reviewer.setVote(FIRST, 1, 0);
    await enqueue(lab, [FC]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{}, 0]);
    expect(last(lab)?.message).toMatch(/^No vote: acme-iscsi failed, /m);
    lab.store.close();
  });

  test('removes a positive vote that the failure contradicts', async () => {
    const lab = await iscsiFailed();
    lab.reviewer.setVote(FIRST, 1, 1);
    await enqueue(lab, [FC]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{ Verified: 0 }, 0]);
    expect(last(lab)?.message).toMatch(/^Verified\+1 is taken back: acme-iscsi failed, /m);
    lab.store.close();
  });

  test('that repairs the failed job raises the vote, and says what else counts', async () => {
    const lab = await iscsiFailed();
    failing.clear();
    await enqueue(lab, [ISCSI]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{ Verified: 1 }, 1]);
    expect(last(lab)?.message).toMatch(/^Verified\+1 also counts: acme-fc succeeded, https:\/\/\S+\.$/m);
    lab.store.close();
  });

  test('uses the configuration at that time, and names a removed job', async () => {
    const lab = await iscsiFailed();
    const { settings } = lab.daemon.admission;
    const jobs = settings.rules.jobs.filter(({ name }) => name !== ISCSI);
    lab.daemon.admission.updateSettings({ ...settings, rules: { ...settings.rules, jobs } });
    await enqueue(lab, [FC]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{ Verified: 1 }, 1]);
    expect(last(lab)?.message).toContain('Not counted: acme-iscsi is not in the configuration any more.');
    lab.store.close();
  });
});

describe('a vote that cannot be read', () => {
  test('is queried again, and then voted on', async () => {
    const lab = await started();
    const trouble = { operation: 'read', target: '', message: 'away', retryable: true, hint: '' };
    lab.reviewer.failNext(trouble, 'readChangeState');
    lab.reviewer.failNext(trouble, 'readChangeState');
    lab.say(created());
    await lab.run();
    expect(vote(lab)).toBe(1);
    lab.store.close();
  });

  test('permanently withholds a positive vote if retries do not help, and no negative one', async () => {
    const lab = await started();
    const trouble = { operation: 'read', target: '', message: 'no', retryable: false, hint: '' };
    lab.reviewer.failNext(trouble, 'readChangeState');
    lab.say(created());
    await lab.run();
    expect(vote(lab)).toBe(0);
    expect(last(lab)?.message).toContain('No vote: the vote that is on the change could not be read.');
    failing.add(FC);
    lab.reviewer.failNext(trouble, 'readChangeState');
    await enqueue(lab, [ISCSI, FC]);
    expect(vote(lab)).toBe(-1);
    lab.store.close();
  });
});

describe('a patchset of a kind that the jobs exclude', () => {
  const rules = { jobs: [ISCSI, FC].map((name) => jobRules({ name, kinds: LAZY })) };
  const rebased = { ...created(FIRST, 2), kind: 'TRIVIAL_REBASE' } as ReturnType<typeof created>;

  test('gets the vote of a run on the previous patchset that ends later', async () => {
    const lab = await started({ rules });
    lab.say(created());
    await lab.run(() => lab.runner.running().length === 2);
    lab.reviewer.current.set(FIRST, 2);
    lab.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE']);
    lab.say(rebased);
    await lab.run();
    expect(lab.reviewer.posted).toMatchObject([{ patchset: 2, labels: { Verified: 1 } }]);
    expect(last(lab)?.message).toContain(
      'Patchset 1 was tested; patchset 2 is a trivial rebase, so the vote counts for it.',
    );
    expect([vote(lab, 1), vote(lab, 2)]).toEqual([0, 1]);
    lab.store.close();
  });

  /** Patchset 2 comes when the vote was computed for patchset 1, and the post has not arrived yet. */
  async function replacedBeforeThePost(kind: string): Promise<Lab> {
    const lab = await started({ rules });
    lab.reviewer.holdNext('request');
    lab.say(created());
    await lab.run(() => lab.reviewer.calls.held === 1);
    lab.reviewer.current.set(FIRST, 2);
    lab.reviewer.kinds.set(FIRST, ['REWORK', kind]);
    lab.reviewer.calls.release();
    await lab.run();
    return lab;
  }

  test('gets the vote that was computed just before its upload', async () => {
    const lab = await replacedBeforeThePost('TRIVIAL_REBASE');
    expect(lab.reviewer.posted).toMatchObject([{ patchset: 2, labels: { Verified: 1 } }]);
    expect([vote(lab, 1), vote(lab, 2)]).toEqual([0, 1]);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('does not get it when its kind is tested', async () => {
    const lab = await replacedBeforeThePost('REWORK');
    expect(lab.reviewer.posted).toMatchObject([{ patchset: 1, labels: {} }]);
    expect([vote(lab, 1), vote(lab, 2)]).toEqual([0, 0]);
    lab.store.close();
  });

  test('does not delay the comment when patchsets keep arriving', async () => {
    const lab = await started({ rules });
    lab.say(created());
    lab.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE', 'TRIVIAL_REBASE']);
    for (const current of [2, 3]) {
      lab.reviewer.holdNext('request');
      await lab.run(() => lab.reviewer.calls.held === 1);
      lab.reviewer.current.set(FIRST, current);
      lab.reviewer.calls.release();
      await lab.run(() => lab.reviewer.calls.held === 0);
    }
    await lab.run();
    expect(lab.reviewer.posted).toMatchObject([{ patchset: 2, labels: {} }]);
    lab.store.close();
  });

  test('keeps no copied vote that a later run on the previous patchset contradicts', async () => {
    const lab = await started({ rules });
    lab.say(created());
    await lab.run();
    expect(vote(lab)).toBe(1);
    lab.reviewer.current.set(FIRST, 2);
    lab.reviewer.kinds.set(FIRST, ['REWORK', 'TRIVIAL_REBASE']);
    lab.reviewer.setVote(FIRST, 2, 1);
    failing.add(FC);
    await enqueue(lab, [FC]);
    expect(last(lab)).toMatchObject({ patchset: 2, labels: { Verified: -1 } });
    expect(vote(lab, 2)).toBe(-1);
    lab.store.close();
  });

  test('a run on the previous patchset is posted without a vote if it does not count', async () => {
    const lab = await started();
    lab.reviewer.current.set(FIRST, 2);
    await enqueue(lab, [ISCSI, FC]);
    expect(lab.reviewer.posted).toMatchObject([{ patchset: 1, labels: {} }]);
    lab.store.close();
  });
});

describe('a change that was moved to another branch', () => {
  const moved: Patchset = { ...patchset(), branch: 'stable/1' };
  const rules = { jobs: [ISCSI, FC].map((name) => jobRules({ name, branches: ['master', 'stable/*'] })) };

  test('gets no vote from a partial run there and results of the previous branch', async () => {
    const lab = await started({ rules });
    await enqueue(lab, [ISCSI, FC]);
    expect(vote(lab)).toBe(1);
    lab.reviewer.setVote(FIRST, 1, 0);
    lab.reviewer.branches.set(FIRST, 'stable/1');
    await enqueue(lab, [ISCSI], moved);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{}, 0]);
    expect(last(lab)?.message).toContain('No vote: acme-fc has no result yet.');
    await enqueue(lab, [FC], moved);
    expect(vote(lab)).toBe(1);
    lab.store.close();
  });

  test('gets no vote from a run for the previous branch that ends after the move', async () => {
    const lab = await started({ rules });
    lab.reviewer.branches.set(FIRST, 'stable/1');
    await enqueue(lab, [ISCSI, FC]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{}, 0]);
    expect(last(lab)?.message).toContain('No vote: the change was moved to stable/1.');
    lab.store.close();
  });

  test('keeps a failure on the branch to which it returns', async () => {
    const lab = await started({ rules });
    failing.add(ISCSI);
    await enqueue(lab, [ISCSI, FC]);
    failing.clear();
    await enqueue(lab, [ISCSI, FC], moved);
    lab.reviewer.setVote(FIRST, 1, 0);
    await enqueue(lab, [FC]);
    expect([last(lab)?.labels, vote(lab)]).toEqual([{}, 0]);
    expect(last(lab)?.message).toMatch(/^No vote: acme-iscsi failed, /m);
    lab.store.close();
  });
});

test('a job that timed out gets no vote from its older success', async () => {
  let slowMs = 60_000;
  const lab = await started({
    report: { jobTimeoutMs: 300_000 },
    stage: ({ name }) => ({
      afterMs: name === FC ? slowMs : 60_000,
      outcome: { how: 'exited', code: failing.has(name) ? 1 : 0 },
    }),
  });
  await enqueue(lab, [ISCSI, FC]);
  lab.reviewer.setVote(FIRST, 1, 0);
  failing.add(FC);
  slowMs = 900_000;
  await enqueue(lab, [ISCSI, FC]);
  expect([last(lab)?.labels, vote(lab)]).toEqual([{}, 0]);
  expect(last(lab)?.message).toContain('No vote: acme-fc has not ended.');
  expect(lab.jobs().at(-1)?.verdict).toBe('FAILURE');
  expect(broken(lab)).toEqual([]);
  lab.store.close();
});

test('reviews of one change post one after the other', async () => {
  const lab = await started();
  failing.add(ISCSI);
  lab.reviewer.holdNext('request');
  await lab.daemon.admission.start(patchset(), [ISCSI], 'first');
  await lab.daemon.admission.start(patchset(), [FC], 'second');
  await lab.run(() => lab.reviewer.calls.held === 1 && lab.reviewer.calls.count('readChangeState') === 1);
  await lab.run(() => lab.openWork().some(({ state }) => state === 'computingVote.awaitingTurn'));
  expect(lab.reviewer.calls.count('post')).toBe(1);
  lab.reviewer.calls.release();
  await lab.run();
  expect(lab.reviewer.posted.map(({ labels }) => labels)).toEqual([{ Verified: -1 }, {}]);
  expect(vote(lab)).toBe(-1);
  expect(broken(lab)).toEqual([]);
  lab.store.close();
});
