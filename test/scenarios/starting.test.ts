/** The start message, with a crash at every point: sent once, and the result never waits for it. */
import { describe, expect, test } from 'vitest';
import { looksLikeResult } from '../../src/machines/comment/check-parsers.ts';
import { CiHarness } from './ci-harness.ts';
import { outage, wrapPort } from './faults.ts';
import { abandoned, created, FIRST } from './gerrit-events.ts';
import { storyTests } from './story-tests.ts';
import { violations } from './violations.ts';

const report = { startMessage: true };
const STARTING = `${FIRST},1 Starting`;
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const well = { verdicts: ['SUCCESS'], stages: 2, servers: 1 } as const;

storyTests([
  {
    name: 'the start message and the result are posted',
    options: { report },
    begin: (ci) => ci.emit(created()),
    end: { ...well, posts: [STARTING, SUCCEEDED] },
  },
  {
    name: 'Gerrit rejects the start message',
    options: {
      report,
      wrapAdapters: wrapPort('reviewer', (reviewer) => ({
        post: (request, signal, recovered) =>
          request.message.startsWith('Starting')
            ? Promise.reject(outage('post review'))
            : reviewer.post(request, signal, recovered),
      })),
    },
    begin: (ci) => ci.emit(created()),
    end: { ...well, posts: [SUCCEEDED] },
  },
  {
    name: 'a patch that does not merge gets neither a start message nor a result',
    options: { report },
    begin: (ci) => {
      ci.merger.conflict(FIRST);
      ci.emit(created());
    },
    end: { verdicts: ['MERGER_FAILURE'], posts: [], stages: 0, servers: 0 },
  },
  {
    name: 'shadow mode posts no start message',
    options: { report: { ...report, enabled: false } },
    begin: (ci) => ci.emit(created()),
    end: { ...well, posts: [] },
  },
]);

describe('the start message', () => {
  test('hangs, and the result is still posted', async () => {
    const ci = new CiHarness({ report });
    await ci.start();
    ci.reviewer.holdNext('request');
    ci.emit(created());
    await ci.run(() => ci.reviewer.posted.length === 1);
    expect(ci.reviewer.posted[0]?.message).toMatch(/^Build succeeded/);
    ci.reviewer.calls.release();
    await ci.run();
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });

  test('of a change that is then abandoned is not followed by a result', async () => {
    const ci = new CiHarness({ report });
    await ci.start();
    ci.emit(created());
    await ci.run(() => ci.reviewer.posted.length === 1);
    ci.emit(abandoned());
    await ci.run();
    expect(ci.reviewer.posted.map(({ message }) => looksLikeResult(message))).toEqual([false]);
    expect(violations(ci)).toEqual([]);
    ci.store.close();
  });
});
