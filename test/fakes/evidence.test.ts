/** The fake fulfils the contract of evidence, and its additions for tests work. */
import { expect, test } from 'vitest';
import { collectRequest, evidenceContract, failureOf, JOB, publishRequest } from '../contracts/evidence.ts';
import { FakeEvidence } from './evidence.ts';

evidenceContract('the fake', async () => {
  const fake = new FakeEvidence();
  return {
    server: { id: 's', name: 's', address: '/s', provider: 'local' },
    start: () => fake,
    writeStageLog: async (job, attempt, stage, text) =>
      fake.addFile(job, `attempt-${attempt}/${stage}.log`, text),
    writeTreeFile: async (job, path, text) => fake.addFile(job, `worktree/${path}`, text),
    read: async (url, path) => {
      const published = [...fake.published.values()].find((publication) => publication.url === url);
      return published?.files.get(path) ?? null;
    },
    close: async () => undefined,
  };
});

test('fails once as configured, and counts the call', async () => {
  const fake = new FakeEvidence();
  const { signal } = new AbortController();
  fake.failNext('collect');
  await failureOf(fake.collect(collectRequest(), signal));
  await fake.collect(collectRequest(), signal);
  expect(fake.calls).toEqual({ collect: 2, publish: 0, held: 0, discard: 0, expire: 0 });
});

test('loses an answer after the call has taken effect', async () => {
  const fake = new FakeEvidence();
  const { signal } = new AbortController();
  await fake.collect(collectRequest(), signal);
  fake.losePublishAnswer();
  await failureOf(fake.publish(publishRequest(), signal));
  expect(fake.published.get(JOB)?.url).toBe(await fake.publish(publishRequest(), signal));
});

test('holds a call until it is released', async () => {
  const fake = new FakeEvidence();
  const release = fake.holdNext('collect');
  const call = fake.collect(collectRequest(), new AbortController().signal);
  expect(fake.staged.size).toBe(0);
  release();
  await call;
  expect(fake.staged.size).toBe(1);
});
