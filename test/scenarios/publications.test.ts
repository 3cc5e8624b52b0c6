/**
 * Evidence that waits for publication has a limit in bytes for all jobs; above it the oldest is dropped, with an alarm.
 */
import { afterEach, expect, test } from 'vitest';
import { publicationOf } from '../../src/machines/job/publication.ts';
import { jobSpec } from '../machines/facts.ts';
import { CiHarness } from './ci-harness.ts';
import { outage, wrapPort } from './faults.ts';
import { created } from './gerrit-events.ts';
import { violations } from './violations.ts';

let ci: CiHarness;
afterEach(() => ci.store.close());

/** A CI whose log server is down until the returned function is called; each job leaves 6 bytes. */
function startWithoutLogServer(pendingEvidenceBytes: number): () => void {
  let down = true;
  ci = new CiHarness({
    pendingEvidenceBytes,
    specs: [jobSpec({ stacking: null })],
    wrapAdapters: wrapPort('evidence', (evidence) => ({
      publish: (request, signal) =>
        down ? Promise.reject(outage('publish evidence')) : evidence.publish(request, signal),
    })),
  });
  return () => {
    down = false;
  };
}

const ended = (jobs: number) => () => ci.jobs().filter((job) => job.ended).length === jobs;
const publications = () => ci.jobs().map(({ id }) => ci.store.stored(publicationOf(id))?.context.outcome);

test('the oldest is dropped, the others are published when the log server is back', async () => {
  const restoreLogServer = startWithoutLogServer(12);
  await ci.start();
  for (const change of [1, 2, 3]) ci.emit(created(change));
  await ci.run(ended(3));
  restoreLogServer();
  await ci.run();
  expect(publications()).toEqual(['abandoned', 'published', 'published']);
  const [dropped, ...kept] = ci.jobs();
  expect(ci.alarms.raised.filter(({ kind }) => kind === 'evidence-lost')).toMatchObject([
    { target: `job ${dropped?.id}`, message: expect.stringContaining('more than 12 bytes wait') },
  ]);
  expect([...ci.evidence.published.keys()]).toEqual(kept.map(({ id }) => id));
  expect(dropped?.url).toBeNull();
  expect(kept.every(({ url }) => url !== null)).toBe(true);
  expect(violations(ci)).toEqual([]);
});

test('a lower limit after a restart applies to evidence that already waits', async () => {
  const restoreLogServer = startWithoutLogServer(18);
  await ci.start();
  for (const change of [1, 2, 3]) ci.emit(created(change));
  await ci.run(ended(3));
  expect(publications()).toEqual([null, null, null]);
  Object.assign(ci.options, { pendingEvidenceBytes: 6 });
  await ci.restart();
  restoreLogServer();
  await ci.run();
  expect(publications()).toEqual(['abandoned', 'abandoned', 'published']);
  expect(violations(ci)).toEqual([]);
});
