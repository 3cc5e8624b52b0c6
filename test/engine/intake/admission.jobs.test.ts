/** Requests for single jobs: a running job is not started twice, another job is started in parallel. */
import { expect, test } from 'vitest';
import { jobSpec } from '../../machines/facts.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-events.ts';
import { violations } from '../../scenarios/violations.ts';

async function ciWithTwoJobs(slots = 2): Promise<CiHarness> {
  const jobs = [
    jobRules({ name: 'a', comments: ['^run a$'] }),
    jobRules({ name: 'b', triggers: ['recheck'], comments: ['^run b$'] }),
  ];
  const ci = new CiHarness({
    slots,
    rules: { jobs, recheck: false },
    specs: [jobSpec({ name: 'a' }), jobSpec({ name: 'b' })],
  });
  await ci.start();
  ci.emit(created());
  await ci.run(() => ci.jobs()[0]?.state === 'testing.running');
  return ci;
}

const ended = (ci: CiHarness) => ci.jobs().map(({ name, verdict }) => `${name} ${verdict}`);

test('a request for one job starts it while another one tests the same patchset', async () => {
  const ci = await ciWithTwoJobs();
  ci.emit(comment('run b'));
  await ci.untilIdle();
  expect(ci.jobs().map(({ name }) => name)).toEqual(['a', 'b']);
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(ended(ci)).toEqual(['a SUCCESS', 'b SUCCESS']);
  expect(ci.reviewer.posted).toHaveLength(2);
});

test('a request for both starts the one that does not run', async () => {
  const ci = await ciWithTwoJobs(1);
  ci.emit(comment('run-acme-ci'));
  await ci.run();
  expect(violations(ci)).toEqual([]);
  expect(ended(ci)).toEqual(['a SUCCESS', 'b SUCCESS']);
});

test('a request for the running job is ignored, and recorded in the log and the store', async () => {
  const ci = await ciWithTwoJobs();
  ci.emit(comment('run a', 'bob'));
  ci.emit(comment('nice work', 'bob'));
  await ci.run();
  expect(ended(ci)).toEqual(['a SUCCESS']);
  const ignored = { by: 'bob', rule: 'running', why: 'this patchset is being tested' };
  expect(ci.store.ignoredRequests(FIRST, 9)).toMatchObject([{ ...ignored, change: FIRST, patchset: 1 }]);
  expect(ci.log.lines.filter((line) => line.includes('request'))).toEqual(['info a request is ignored']);
  const line = ci.log.lines.indexOf('info a request is ignored');
  expect(ci.log.fields[line]).toEqual({ target: `${FIRST},1`, ...ignored });
});

test('a request that the rules reject is recorded, but not one on a project without jobs', async () => {
  const ci = await ciWithTwoJobs();
  const request = comment('run-acme-ci', 'other-ci');
  if (request.type !== 'comment-added') throw new Error(request.type);
  ci.emit(request);
  ci.emit({ ...request, patchset: { ...request.patchset, project: 'elsewhere', change: 7 } });
  await ci.run();
  expect(ci.store.ignoredRequests(FIRST, 9)).toMatchObject([{ by: 'other-ci', rule: 'ci-account' }]);
  expect(ci.store.ignoredRequests(7, 9)).toEqual([]);
});
