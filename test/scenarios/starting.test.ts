/** The start message, with a daemon that dies at every point: sent once, and the result never waits for it. */
import { describe, expect, test } from 'vitest';
import { looksLikeResult } from '../../src/machines/comment/check-parsers.ts';
import { abandoned, created, FIRST } from './gerrit-says.ts';
import { broken } from './judge.ts';
import { Lab } from './lab.ts';
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
    begin: (lab) => lab.say(created()),
    end: { ...well, posts: [STARTING, SUCCEEDED] },
  },
  {
    name: 'Gerrit does not take the announcement',
    options: {
      report,
      bend: bent('reviewer', (reviewer) => ({
        post: (request, signal, recovered) =>
          request.message.startsWith('Starting')
            ? Promise.reject(outage('post review'))
            : reviewer.post(request, signal, recovered),
      })),
    },
    begin: (lab) => lab.say(created()),
    end: { ...well, posts: [SUCCEEDED] },
  },
  {
    name: 'a patch that does not merge is neither announced nor told of',
    options: { report },
    begin: (lab) => {
      lab.merger.conflict(FIRST);
      lab.say(created());
    },
    end: { verdicts: ['MERGER_FAILURE'], posts: [], stages: 0, servers: 0 },
  },
  {
    name: 'nothing is announced in shadow mode',
    options: { report: { ...report, enabled: false } },
    begin: (lab) => lab.say(created()),
    end: { ...well, posts: [] },
  },
]);

describe('the start message', () => {
  test('hangs, and the result is still posted', async () => {
    const lab = new Lab({ report });
    await lab.start();
    lab.reviewer.holdNext('request');
    lab.say(created());
    await lab.run(() => lab.reviewer.posted.length === 1);
    expect(lab.reviewer.posted[0]?.message).toMatch(/^Build succeeded/);
    lab.reviewer.calls.release();
    await lab.run();
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });

  test('of a change that is abandoned meanwhile changes nothing', async () => {
    const lab = new Lab({ report });
    await lab.start();
    lab.say(created());
    await lab.run(() => lab.reviewer.posted.length === 1);
    lab.say(abandoned());
    await lab.run();
    expect(lab.reviewer.posted.map(({ message }) => looksLikeResult(message))).toEqual([false]);
    expect(broken(lab)).toEqual([]);
    lab.store.close();
  });
});
