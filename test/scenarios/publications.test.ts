/**
 * Evidence that waits for publication is bounded in bytes over all jobs: past the limit the oldest is dropped, with an
 * alarm.
 */
import { afterEach, expect, test } from 'vitest';
import { publicationOf } from '../../src/machines/job/publication.ts';
import { jobSpec } from '../machines/facts.ts';
import { created } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
import { bent, outage } from './trouble.ts';

let lab: Lab;
afterEach(() => lab.store.close());

/** A CI whose log site is down until the returned function is called; each job leaves 6 bytes. */
function away(pendingEvidenceBytes: number): () => void {
  let down = true;
  lab = new Lab({
    pendingEvidenceBytes,
    specs: [jobSpec({ stacking: null })],
    bend: bent('evidence', (evidence) => ({
      publish: (request, signal) =>
        down ? Promise.reject(outage('publish evidence')) : evidence.publish(request, signal),
    })),
  });
  return () => {
    down = false;
  };
}

const ended = (jobs: number) => () => lab.jobs().filter((job) => job.ended).length === jobs;
const publications = () => lab.jobs().map(({ id }) => lab.store.stored(publicationOf(id))?.context.outcome);

test('the oldest is dropped, the others are published once that works', async () => {
  const back = away(12);
  await lab.start();
  for (const change of [1, 2, 3]) lab.say(created(change));
  await lab.run(ended(3));
  back();
  await lab.run();
  expect(publications()).toEqual(['abandoned', 'published', 'published']);
  const [dropped, ...kept] = lab.jobs();
  expect(lab.alarms.raised.filter(({ kind }) => kind === 'evidence-lost')).toMatchObject([
    { target: `job ${dropped?.id}`, message: expect.stringContaining('more than 12 bytes wait') },
  ]);
  expect([...lab.evidence.published.keys()]).toEqual(kept.map(({ id }) => id));
  expect(dropped?.url).toBeNull();
  expect(kept.every(({ url }) => url !== null)).toBe(true);
  expect(broken(lab)).toEqual([]);
});

test('a lower limit after a restart applies to what waits already', async () => {
  const back = away(18);
  await lab.start();
  for (const change of [1, 2, 3]) lab.say(created(change));
  await lab.run(ended(3));
  expect(publications()).toEqual([null, null, null]);
  Object.assign(lab.options, { pendingEvidenceBytes: 6 });
  await lab.restart();
  back();
  await lab.run();
  expect(publications()).toEqual(['abandoned', 'abandoned', 'published']);
  expect(broken(lab)).toEqual([]);
});
