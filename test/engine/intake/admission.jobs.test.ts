/** A request names jobs: a running one is not started twice, another one is started beside it. */
import { expect, test } from 'vitest';
import { jobSpec } from '../../machines/facts.ts';
import { jobRules } from '../../machines/rule-facts.ts';
import { comment, created, FIRST } from '../../scenarios/gerrit-says.ts';
import { broken } from '../../scenarios/judge.ts';
import { Lab } from '../../scenarios/lab.ts';

async function labOfTwo(slots = 2): Promise<Lab> {
  const jobs = [
    jobRules({ name: 'a', comments: ['^run a$'] }),
    jobRules({ name: 'b', triggers: ['recheck'], comments: ['^run b$'] }),
  ];
  const lab = new Lab({
    slots,
    rules: { jobs, recheck: false },
    specs: [jobSpec({ name: 'a' }), jobSpec({ name: 'b' })],
  });
  await lab.start();
  lab.say(created());
  await lab.run(() => lab.jobs()[0]?.state === 'testing.running');
  return lab;
}

const ended = (lab: Lab) => lab.jobs().map(({ name, verdict }) => `${name} ${verdict}`);

test('a request for one job starts it while another one tests the same patchset', async () => {
  const lab = await labOfTwo();
  lab.say(comment('run b'));
  await lab.untilIdle();
  expect(lab.jobs().map(({ name }) => name)).toEqual(['a', 'b']);
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(ended(lab)).toEqual(['a SUCCESS', 'b SUCCESS']);
  expect(lab.reviewer.posted).toHaveLength(2);
});

test('a request for both starts the one that does not run', async () => {
  const lab = await labOfTwo(1);
  lab.say(comment('run-acme-ci'));
  await lab.run();
  expect(broken(lab)).toEqual([]);
  expect(ended(lab)).toEqual(['a SUCCESS', 'b SUCCESS']);
});

test('a request for the running job is ignored, and recorded in the log and the store', async () => {
  const lab = await labOfTwo();
  lab.say(comment('run a', 'bob'));
  lab.say(comment('nice work', 'bob'));
  await lab.run();
  expect(ended(lab)).toEqual(['a SUCCESS']);
  const ignored = { by: 'bob', rule: 'running', why: 'this patchset is being tested' };
  expect(lab.store.ignoredRequests(FIRST, 9)).toMatchObject([{ ...ignored, change: FIRST, patchset: 1 }]);
  expect(lab.log.lines.filter((line) => line.includes('request'))).toEqual(['info a request is ignored']);
  const line = lab.log.lines.indexOf('info a request is ignored');
  expect(lab.log.fields[line]).toEqual({ target: `${FIRST},1`, ...ignored });
});

test('a request that the rules reject is recorded too; one on a project without jobs is not', async () => {
  const lab = await labOfTwo();
  const asked = comment('run-acme-ci', 'other-ci');
  if (asked.type !== 'comment-added') throw new Error(asked.type);
  lab.say(asked);
  lab.say({ ...asked, patchset: { ...asked.patchset, project: 'elsewhere', change: 7 } });
  await lab.run();
  expect(lab.store.ignoredRequests(FIRST, 9)).toMatchObject([{ by: 'other-ci', rule: 'ci-account' }]);
  expect(lab.store.ignoredRequests(7, 9)).toEqual([]);
});
