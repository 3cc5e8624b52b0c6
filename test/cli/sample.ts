/** A store's contents for the tests of the query commands: a failed job and a running one, both with hostile text. */
import type { JobView, OutboxEntry } from '../../src/engine/ports/store.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import type { Contents } from '../fakes/reader.ts';
import { FAILED, HOSTILE, patchset, START, stage, story, timer } from './sample-story.ts';

export const NOW = START + 7_500_000;
export const RUNNING = '01kfa8yq7p1z4ghs6w0kv2m5tx';

const failedJob: JobView = {
  id: FAILED,
  review: 'r1',
  name: 'acme-dsvm',
  pipeline: 'check',
  project: patchset.project,
  branch: patchset.branch,
  change: 912345,
  patchset: 3,
  subject: HOSTILE,
  owner: patchset.owner,
  provider: 'local',
  state: 'done',
  ended: true,
  ...{ queued: false, cleaningUp: false, parked: false },
  attempt: 2,
  verdict: 'FAILURE',
  reason: '2 of 31 tests failed: test_attach, test_evil \u001b[2J',
  url: 'https://logs.example.org/45/912345/3/check/acme-dsvm/01kfa7xw2m6v/',
  acceptedAt: START,
  updatedAt: START + 3_625_000,
  endedAt: START + 3_625_000,
};
const runningJob: JobView = {
  ...failedJob,
  id: RUNNING,
  review: 'r2',
  name: 'acme-fc',
  change: 912400,
  patchset: 1,
  branch: 'master',
  subject: '北京 volume attach: a rather long subject that has to give way on a narrow terminal',
  state: 'testing.running',
  ended: false,
  verdict: null,
  reason: '',
  url: null,
  acceptedAt: START + 3_700_000,
  updatedAt: START + 3_800_000,
  endedAt: null,
};

function owed(key: string, effect: KeyedEffect, seconds: number): OutboxEntry {
  return { history: RUNNING, key, effect, seq: 1, requestedAt: START + seconds * 1000 };
}

export const SAMPLE: Contents = {
  jobs: [failedJob, runningJob],
  reviews: [
    {
      id: 'r1',
      pipeline: 'check',
      project: patchset.project,
      branch: patchset.branch,
      change: 912345,
      patchset: 3,
      state: 'done',
      ended: true,
      jobsPending: false,
      outcome: 'posted',
      openedAt: START,
      updatedAt: START + 3_700_000,
    },
    {
      id: 'r2',
      pipeline: 'check',
      project: patchset.project,
      branch: 'master',
      change: 912400,
      patchset: 1,
      state: 'awaitingJobs',
      ended: false,
      jobsPending: true,
      outcome: null,
      openedAt: START,
      updatedAt: START,
    },
  ],
  rows: story(),
  owed: [
    owed('runStage:testing:1', stage(1, 'testing', ['./run-tests.sh']) as KeyedEffect, 3800),
    owed('deadline:testing:1', timer('deadline:testing:1', 180) as KeyedEffect, 3800),
  ],
  turns: [],
  counts: [
    { day: '2026-11-10', name: 'acme-dsvm', verdict: 'SUCCESS', jobs: 99 },
    { day: '2026-11-20', name: 'acme-dsvm', verdict: 'SUCCESS', jobs: 12 },
    { day: '2026-11-21', name: 'acme-dsvm', verdict: 'SUCCESS', jobs: 3 },
    { day: '2026-11-21', name: 'acme-fc', verdict: 'NODE_FAILURE', jobs: 1 },
    { day: '2026-11-22', name: 'acme-dsvm', verdict: 'FAILURE', jobs: 2 },
  ],
  alarms: [
    {
      kind: 'vote-rejected',
      target: '912345,3',
      message: 'Gerrit refused Verified \u001b[5m-1',
      hint: 'give the account the right to vote on Verified',
      firstAt: START,
      lastAt: START + 60_000,
      times: 2,
      clearedAt: null,
      acknowledgedAt: null,
      acknowledgedBy: '',
      acknowledgedWhy: '',
    },
  ],
  stackTimes: [],
  starts: [],
  waitingStarts: [],
  ignoredRequests: [],
  stored: {},
  intake: { 'patchset-created': 31, 'comment-added': 78, 'rejected:not-json': 2 },
  daemon: {
    pid: 4100,
    startTicks: 77,
    startedAt: START - 86_400_000,
    version: '0.1.0',
    mode: 'running',
    stream: 'connected to review.example.org:29418',
  },
};
