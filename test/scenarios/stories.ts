/**
 * The stories of whole jobs: Gerrit's events, the behaviour of the adapters, and the expected end. Each runs once
 * without and many times with crashes, so failures depend on the request and the time, never on the number of calls.
 */

import { NEVER } from '../fixtures/never.ts';
import { FAILED, FAILED_TASK, jobSpec, PLAYBOOK } from '../machines/facts.ts';
import { type CiHarness, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { isAt, isRow, outage, when, wrapPort, wrapProvider } from './faults.ts';
import { abandoned, comment, created, FIRST } from './gerrit-events.ts';
import type { Story } from './story.ts';

const exited = (code: number) => ({ afterMs: 60_000, outcome: { how: 'exited', code } }) as const;
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const FAILED_RUN = `${FIRST},1 failed`;
const push = (ci: CiHarness) => ci.emit(created());

const endings: readonly Story[] = [
  {
    name: 'a job succeeds',
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'a test fails',
    options: {
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : SUCCESSFUL_STAGE),
    },
    begin: push,
    end: { verdicts: ['FAILURE'], posts: [`${FAILED_RUN} Verified-1`], stages: 2, servers: 1 },
  },
  {
    name: 'nothing to stack, and the exit code is the result',
    options: {
      specs: [jobSpec({ stacking: null, results: null, exitCodeIsResult: true })],
      stage: () => exited(3),
    },
    begin: push,
    end: { verdicts: ['FAILURE'], posts: [`${FAILED_RUN} Verified-1`], stages: 1, servers: 1 },
  },
  {
    name: 'tests run into their timeout',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing' ? { afterMs: 7_200_000, outcome: { how: 'timedOut' } } : SUCCESSFUL_STAGE,
    },
    begin: push,
    end: { verdicts: ['TIMED_OUT'], posts: [FAILED_RUN], stages: 2, servers: 1 },
  },
  {
    name: 'tests never end, and the daemon stops them',
    options: { stage: ({ run }) => (run.stage === 'testing' ? null : SUCCESSFUL_STAGE) },
    begin: push,
    end: { verdicts: ['TIMED_OUT'], posts: [FAILED_RUN], stages: 2, servers: 1 },
  },
  {
    name: 'tests are lost',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing'
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : SUCCESSFUL_STAGE,
    },
    begin: push,
    end: { verdicts: ['NODE_FAILURE'], posts: [FAILED_RUN], stages: 2, servers: 1 },
  },
  {
    name: 'the server is deleted under its tests',
    options: { stage: ({ run }) => (run.stage === 'testing' ? null : SUCCESSFUL_STAGE) },
    begin: (ci) => {
      push(ci);
      when(ci, isAt('testing.running'), () =>
        ci.clock.after(60_000, () => {
          for (const { run } of ci.runner.running()) {
            ci.provider.vanish(run.server);
            ci.runner.vanish(run.server);
          }
        }),
      );
    },
    end: { verdicts: ['NODE_FAILURE'], posts: [FAILED_RUN], stages: 2, servers: 1 },
  },
  {
    name: 'results cannot be read',
    options: { results: { unreadable: 'results.tap is cut off' } },
    begin: push,
    end: { verdicts: ['POST_FAILURE'], posts: [FAILED_RUN], stages: 2, servers: 1 },
  },
];

const setups: readonly Story[] = [
  {
    name: 'setup fails once, then the job succeeds',
    options: {
      stage: ({ run }) =>
        run.stage === 'stacking' && run.owner.attempt === 1 ? exited(1) : SUCCESSFUL_STAGE,
    },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'the setup playbook fails each time',
    options: {
      specs: [jobSpec({ stacking: PLAYBOOK })],
      stage: () => ({ afterMs: 60_000, outcome: { how: 'exited', code: 2, failedTask: FAILED_TASK } }),
    },
    begin: push,
    end: {
      verdicts: ['RETRY_LIMIT'],
      posts: [FAILED_RUN],
      stages: 2,
      servers: 2,
    },
  },
  {
    name: 'a lost stacking stage is retried',
    options: {
      stage: ({ run }) =>
        run.stage === 'stacking' && run.owner.attempt === 1
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : SUCCESSFUL_STAGE,
    },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'setup fails each time',
    options: { stage: () => exited(1) },
    begin: push,
    end: { verdicts: ['RETRY_LIMIT'], posts: [FAILED_RUN], stages: 2, servers: 2 },
  },
  {
    name: 'no server can be created',
    options: {
      wrapAdapters: wrapProvider(() => ({ create: () => Promise.reject(outage('create server')) })),
    },
    begin: push,
    end: { verdicts: ['NODE_FAILURE'], posts: [FAILED_RUN], stages: 0, servers: 0 },
  },
  {
    name: 'the first fetch hangs until its deadline',
    options: {
      wrapAdapters: wrapPort('source', (source) => ({
        fetch: (request, signal) =>
          request.server.name.endsWith('-1')
            ? new Promise((_, reject) => {
                signal.addEventListener('abort', () => reject(outage('fetch patchset')), { once: true });
              })
            : source.fetch(request, signal),
      })),
    },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 2 },
  },
  {
    name: 'no slot becomes free in time',
    options: { slots: 0, specs: [jobSpec({ limits: { queueTimeoutMs: 1_800_000 } })] },
    begin: push,
    end: { verdicts: ['NODE_FAILURE'], posts: [FAILED_RUN], stages: 0, servers: 0 },
  },
];

const afterwards: readonly Story[] = [
  {
    name: 'the log server is down at first',
    options: {
      wrapAdapters: wrapPort('evidence', (evidence) => ({
        publish: (request, signal) =>
          request.key.endsWith(':1')
            ? Promise.reject(outage('publish evidence'))
            : evidence.publish(request, signal),
      })),
    },
    begin: push,
    end: {
      verdicts: ['SUCCESS'],
      posts: [SUCCEEDED],
      stages: 2,
      servers: 1,
      alarms: ['evidence-pending'],
    },
  },
  {
    name: 'the log server is down for an hour, longer than the review waits',
    options: {
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : SUCCESSFUL_STAGE),
      wrapAdapters: wrapPort('evidence', (evidence, ci) => ({
        publish: (request, signal) =>
          ci.clock.monotonic() < 3_600_000
            ? Promise.reject(outage('publish evidence'))
            : evidence.publish(request, signal),
      })),
    },
    begin: push,
    end: {
      verdicts: ['FAILURE'],
      posts: [FAILED_RUN],
      stages: 2,
      servers: 1,
      alarms: ['evidence-pending'],
    },
  },
  {
    name: 'evidence cannot be published',
    options: {
      specs: [jobSpec({ limits: { publishAgeMs: 120_000 } })],
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : SUCCESSFUL_STAGE),
      wrapAdapters: wrapPort('evidence', () => ({
        publish: () => Promise.reject(outage('publish evidence', false)),
      })),
    },
    begin: push,
    end: {
      verdicts: ['FAILURE'],
      posts: [FAILED_RUN],
      stages: 2,
      servers: 1,
      alarms: ['evidence-pending', 'evidence-lost'],
    },
  },
  {
    name: 'Gerrit accepts the review, and its response is lost',
    options: {
      wrapAdapters: wrapPort('reviewer', (reviewer) => ({
        post: async (request, signal, recovered) => {
          const answer = await reviewer.post(request, signal, recovered);
          if (request.key.endsWith(':1')) throw outage('post review');
          return answer;
        },
      })),
    },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'Gerrit rejects the vote',
    options: { report: { label: 'Code-Review' } },
    begin: push,
    end: {
      verdicts: ['SUCCESS'],
      posts: [`${FIRST},1 succeeded`],
      stages: 2,
      servers: 1,
      alarms: ['vote-rejected'],
    },
  },
  {
    name: 'Gerrit silently drops the vote',
    options: { report: { label: 'No-Such' } },
    begin: push,
    end: {
      verdicts: ['SUCCESS'],
      posts: [`${FIRST},1 succeeded`],
      stages: 2,
      servers: 1,
      alarms: ['vote-dropped'],
    },
  },
  {
    name: 'in shadow mode nothing is posted',
    options: { report: { enabled: false } },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'the provider is down when the server should be deleted',
    options: {
      wrapAdapters: wrapProvider((provider, ci) => ({
        delete: (server, deployment) =>
          ci.clock.monotonic() < 150_000
            ? Promise.reject(outage('delete server'))
            : provider.delete(server, deployment, NEVER),
      })),
    },
    begin: push,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
];

const several: readonly Story[] = [
  {
    name: 'two jobs share one review',
    options: {
      slots: 2,
      specs: [jobSpec(), jobSpec({ name: 'acme-unit', stacking: null })],
    },
    begin: push,
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'a newer patchset supersedes the one being tested',
    begin: (ci) => {
      ci.emit(created());
      when(ci, isAt('testing.running'), () => ci.emit(created(FIRST, 2)));
    },
    end: {
      verdicts: ['ABORTED', 'SUCCESS'],
      posts: [`${FIRST},2 succeeded Verified+1`],
      stages: 4,
      servers: 2,
    },
  },
  {
    name: 'the change is abandoned while it is being tested',
    begin: (ci) => {
      ci.emit(created());
      when(ci, isAt('testing.running'), () => ci.emit(abandoned()));
    },
    end: { verdicts: ['ABORTED'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'a recheck starts another run, and one by our own account does not',
    begin: (ci) => {
      ci.emit(created());
      when(ci, isRow('votes.read'), () => {
        ci.emit(comment('recheck', 'acme-ci'));
        ci.emit(comment('recheck'));
        ci.emit(comment('I would not recheck that'));
      });
    },
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED, SUCCEEDED], stages: 4, servers: 2 },
  },
  {
    name: 'two jobs that share one storage array run one after the other',
    options: {
      slots: 2,
      backends: { array1: 1 },
      specs: [
        jobSpec({ stacking: null, backends: ['array1'] }),
        jobSpec({ name: 'acme-fc', stacking: null, backends: ['array1'] }),
      ],
    },
    begin: push,
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 2 },
  },
  {
    name: 'three changes share two slots',
    options: { slots: 2, specs: [jobSpec({ stacking: null })] },
    begin: (ci) => {
      for (const change of [1, 2, 3]) ci.emit(created(change));
    },
    end: {
      verdicts: ['SUCCESS', 'SUCCESS', 'SUCCESS'],
      posts: [1, 2, 3].map((change) => `${change},1 succeeded Verified+1`),
      stages: 3,
      servers: 3,
    },
  },
];

export const STORIES = { endings, setups, afterwards, several };
