/** The start message, with a daemon that dies at every point: sent once, and the result never waits for it. */
import { describe, expect, test } from 'vitest';
import { looksLikeResult } from '../../src/machines/comment/check-parsers.ts';
import { CiHarness } from './ci-harness.ts';
import { abandoned, created, FIRST } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { storyTests } from './telling.ts';
import { bent, outage } from './trouble.ts';

const report = { startMessage: true };
const STARTING = `${FIRST},1 Starting`;
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const well = { verdicts: ['SUCCESS'], stages: 2, servers: 1 } as const;

storyTests([
  {
    name: 'the tests are announced, and then told of',
    options: { report },
    begin: (ci) => ci.emit(created()),
    end: { ...well, posts: [STARTING, SUCCEEDED] },
  },
  {
    name: 'Gerrit does not take the announcement',
    options: {
      report,
      wrapAdapters: bent('reviewer', (reviewer) => ({
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
    name: 'a patch that does not merge is neither announced nor told of',
    options: { report },
    begin: (ci) => {
      ci.merger.conflict(FIRST);
      ci.emit(created());
    },
    end: { verdicts: ['MERGER_FAILURE'], posts: [], stages: 0, servers: 0 },
  },
  {
    name: 'nothing is announced in shadow mode',
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
    expect(broken(ci)).toEqual([]);
    ci.store.close();
  });

  test('of a change that is abandoned meanwhile changes nothing', async () => {
    const ci = new CiHarness({ report });
    await ci.start();
    ci.emit(created());
    await ci.run(() => ci.reviewer.posted.length === 1);
    ci.emit(abandoned());
    await ci.run();
    expect(ci.reviewer.posted.map(({ message }) => looksLikeResult(message))).toEqual([false]);
    expect(broken(ci)).toEqual([]);
    ci.store.close();
  });
});
