/**
 * The stories of whole jobs: what Gerrit says, how the world behaves, and what must have come of it in the end. Each is
 * told once as it is, and again with a daemon that dies at every point of it, so the world's troubles depend on what is
 * asked and when, never on how often.
 */

import { NEVER } from '../fixtures/never.ts';
import { FAILED, FAILED_TASK, jobSpec, PLAYBOOK } from '../machines/facts.ts';
import { type CiHarness, SUCCESSFUL_STAGE } from './ci-harness.ts';
import { abandoned, comment, created, FIRST } from './gerrit-says.ts';
import type { Story } from './story.ts';
import { bent, bentProvider, isAt, isRow, outage, when } from './trouble.ts';

const exited = (code: number) => ({ afterMs: 60_000, outcome: { how: 'exited', code } }) as const;
const SUCCEEDED = `${FIRST},1 succeeded Verified+1`;
const TROUBLE = `${FIRST},1 failed`;
const plainly = (ci: CiHarness) => ci.emit(created());

const endings: readonly Story[] = [
  {
    name: 'a job succeeds',
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'a test fails',
    options: {
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : SUCCESSFUL_STAGE),
    },
    begin: plainly,
    end: { verdicts: ['FAILURE'], posts: [`${TROUBLE} Verified-1`], stages: 2, servers: 1 },
  },
  {
    name: 'nothing to stack, and the exit code is the result',
    options: {
      specs: [jobSpec({ stacking: null, results: null, exitCodeIsResult: true })],
      stage: () => exited(3),
    },
    begin: plainly,
    end: { verdicts: ['FAILURE'], posts: [`${TROUBLE} Verified-1`], stages: 1, servers: 1 },
  },
  {
    name: 'tests run into their timeout',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing' ? { afterMs: 7_200_000, outcome: { how: 'timedOut' } } : SUCCESSFUL_STAGE,
    },
    begin: plainly,
    end: { verdicts: ['TIMED_OUT'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'tests never end, and the daemon stops them',
    options: { stage: ({ run }) => (run.stage === 'testing' ? null : SUCCESSFUL_STAGE) },
    begin: plainly,
    end: { verdicts: ['TIMED_OUT'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'tests vanish',
    options: {
      stage: ({ run }) =>
        run.stage === 'testing'
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : SUCCESSFUL_STAGE,
    },
    begin: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'the server is deleted under its tests',
    options: { stage: ({ run }) => (run.stage === 'testing' ? null : SUCCESSFUL_STAGE) },
    begin: (ci) => {
      plainly(ci);
      when(ci, isAt('testing.running'), () =>
        ci.clock.after(60_000, () => {
          for (const { run } of ci.runner.running()) {
            ci.provider.vanish(run.server);
            ci.runner.vanish(run.server);
          }
        }),
      );
    },
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
  {
    name: 'results cannot be read',
    options: { results: { unreadable: 'results.tap is cut off' } },
    begin: plainly,
    end: { verdicts: ['POST_FAILURE'], posts: [TROUBLE], stages: 2, servers: 1 },
  },
];

const setups: readonly Story[] = [
  {
    name: 'setup fails once, then the job succeeds',
    options: {
      stage: ({ run }) =>
        run.stage === 'stacking' && run.owner.attempt === 1 ? exited(1) : SUCCESSFUL_STAGE,
    },
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'the playbook that sets up fails each time',
    options: {
      specs: [jobSpec({ stacking: PLAYBOOK })],
      stage: () => ({ afterMs: 60_000, outcome: { how: 'exited', code: 2, failedTask: FAILED_TASK } }),
    },
    begin: plainly,
    end: {
      verdicts: ['RETRY_LIMIT'],
      posts: [TROUBLE],
      stages: 2,
      servers: 2,
    },
  },
  {
    name: 'a stacking that vanishes is tried again',
    options: {
      stage: ({ run }) =>
        run.stage === 'stacking' && run.owner.attempt === 1
          ? { afterMs: 60_000, outcome: { how: 'lost', why: 'the server rebooted' } }
          : SUCCESSFUL_STAGE,
    },
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'setup fails each time',
    options: { stage: () => exited(1) },
    begin: plainly,
    end: { verdicts: ['RETRY_LIMIT'], posts: [TROUBLE], stages: 2, servers: 2 },
  },
  {
    name: 'no server is to be had',
    options: {
      wrapAdapters: bentProvider(() => ({ create: () => Promise.reject(outage('create server')) })),
    },
    begin: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 0, servers: 0 },
  },
  {
    name: 'the first fetch hangs until its deadline',
    options: {
      wrapAdapters: bent('source', (source) => ({
        fetch: (request, signal) =>
          request.server.name.endsWith('-1')
            ? new Promise((_, reject) => {
                signal.addEventListener('abort', () => reject(outage('fetch patchset')), { once: true });
              })
            : source.fetch(request, signal),
      })),
    },
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 2 },
  },
  {
    name: 'no slot becomes free in time',
    options: { slots: 0, specs: [jobSpec({ limits: { queueTimeoutMs: 1_800_000 } })] },
    begin: plainly,
    end: { verdicts: ['NODE_FAILURE'], posts: [TROUBLE], stages: 0, servers: 0 },
  },
];

const afterwards: readonly Story[] = [
  {
    name: 'the log site is away at first',
    options: {
      wrapAdapters: bent('evidence', (evidence) => ({
        publish: (request, signal) =>
          request.key.endsWith(':1')
            ? Promise.reject(outage('publish evidence'))
            : evidence.publish(request, signal),
      })),
    },
    begin: plainly,
    end: {
      verdicts: ['SUCCESS'],
      posts: [SUCCEEDED],
      stages: 2,
      servers: 1,
      alarms: ['evidence-pending'],
    },
  },
  {
    name: 'the log site is away until after the review has waited for it',
    options: {
      results: FAILED,
      stage: ({ run }) => (run.stage === 'testing' ? exited(1) : SUCCESSFUL_STAGE),
      wrapAdapters: bent('evidence', (evidence, ci) => ({
        publish: (request, signal) =>
          ci.clock.monotonic() < 1_500_000
            ? Promise.reject(outage('publish evidence'))
            : evidence.publish(request, signal),
      })),
    },
    begin: plainly,
    end: {
      verdicts: ['FAILURE'],
      posts: [TROUBLE],
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
      wrapAdapters: bent('evidence', () => ({
        publish: () => Promise.reject(outage('publish evidence', false)),
      })),
    },
    begin: plainly,
    end: {
      verdicts: ['FAILURE'],
      posts: [TROUBLE],
      stages: 2,
      servers: 1,
      alarms: ['evidence-pending', 'evidence-lost'],
    },
  },
  {
    name: 'Gerrit takes the review, and its answer is lost',
    options: {
      wrapAdapters: bent('reviewer', (reviewer) => ({
        post: async (request, signal, recovered) => {
          const answer = await reviewer.post(request, signal, recovered);
          if (request.key.endsWith(':1')) throw outage('post review');
          return answer;
        },
      })),
    },
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [SUCCEEDED], stages: 2, servers: 1 },
  },
  {
    name: 'Gerrit refuses the vote',
    options: { report: { label: 'Code-Review' } },
    begin: plainly,
    end: {
      verdicts: ['SUCCESS'],
      posts: [`${FIRST},1 succeeded`],
      stages: 2,
      servers: 1,
      alarms: ['vote-rejected'],
    },
  },
  {
    name: 'Gerrit drops the vote in silence',
    options: { report: { label: 'No-Such' } },
    begin: plainly,
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
    begin: plainly,
    end: { verdicts: ['SUCCESS'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'the provider is away when the server is to be deleted',
    options: {
      wrapAdapters: bentProvider((provider, ci) => ({
        delete: (server, deployment) =>
          ci.clock.monotonic() < 150_000
            ? Promise.reject(outage('delete server'))
            : provider.delete(server, deployment, NEVER),
      })),
    },
    begin: plainly,
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
    begin: plainly,
    end: { verdicts: ['SUCCESS', 'SUCCESS'], posts: [SUCCEEDED], stages: 3, servers: 2 },
  },
  {
    name: 'a newer patchset supersedes the one that is tested',
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
    name: 'the change is abandoned while it is tested',
    begin: (ci) => {
      ci.emit(created());
      when(ci, isAt('testing.running'), () => ci.emit(abandoned()));
    },
    end: { verdicts: ['ABORTED'], posts: [], stages: 2, servers: 1 },
  },
  {
    name: 'somebody asks for a recheck, and our own comment asks for nothing',
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
