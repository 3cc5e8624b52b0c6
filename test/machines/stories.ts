/**
 * The stories whose histories are recorded in test/histories: each is the complete run of a review and its job on the
 * current machines. `scripts/record-histories.mjs` records them; every build replays the recorded rows.
 */
import { publicationOf } from '../../src/machines/job/publication.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { VOTING } from '../../src/machines/system/voting.ts';
import { endlessStories } from './endless-stories.ts';
import {
  accepted,
  FAILED,
  FAILED_TASK,
  failure,
  inForce,
  JOB,
  jobSpec,
  opened,
  PATCHSET,
  PLAYBOOK,
  preparePlan,
  RESOLVED,
  REVIEW,
  reportSpec,
} from './facts.ts';
import { holdStories } from './hold-stories.ts';
import { type Answers, runUntil, Simulator, succeed, succeedExcept } from './simulator.ts';

/** Stories by the name of their file. */
export const stories: Readonly<Record<string, () => Simulator>> = {
  success: () => simulate(succeed).run(),

  'failing-test': () =>
    simulate((effect, simulator) => {
      if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
      if (effect.type === 'runStage' && effect.run.stage === 'testing') return exited('testing', 1);
      return succeed(effect, simulator);
    }).run(),

  'setup-retried-then-retry-limit': () =>
    simulate((effect, simulator) =>
      effect.type === 'runStage' ? exited('stacking', 1) : succeed(effect, simulator),
    ).run(),

  'playbook-failed-once': () =>
    simulate(
      (effect, simulator) =>
        effect.type === 'runStage' && effect.run.stage === 'stacking' && effect.run.owner.attempt === 1
          ? {
              type: 'stage.exited',
              stage: 'stacking',
              end: { how: 'exited', code: 2, failedTask: FAILED_TASK },
            }
          : succeed(effect, simulator),
      opened(),
      jobSpec({ stacking: PLAYBOOK, testing: PLAYBOOK }),
    ).run(),

  'setup-never-ends': () =>
    simulate((effect, simulator) => {
      const { state } = simulator.at(JOB);
      if (effect.type === 'createServer' && state === 'booting.creating' && effect.owner.attempt === 1)
        return null;
      if (effect.type === 'runStage' && state === 'stacking.running') return null;
      return succeed(effect, simulator);
    }).run(),

  'boot-failed-once': () =>
    simulate((effect, simulator) =>
      effect.type === 'createServer' && effect.owner.attempt === 1
        ? { type: 'server.create-failed', failure: failure('create server') }
        : succeed(effect, simulator),
    ).run(),

  'cancelled-while-creating': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'booting.creating');
    simulator.send(REVIEW, { type: 'review.cancelled', reason: 'the change was abandoned' });
    return simulator.run();
  },

  'superseded-after-the-post-was-sent': () => {
    const simulator = runUntil(simulate(succeed), REVIEW, 'posting.sending');
    simulator.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    return simulator.run();
  },

  'test-stage-never-ends': () =>
    simulate((effect, simulator) => {
      const silent = effect.type === 'runStage' && effect.run.stage === 'testing';
      return silent && simulator.at(JOB).state === 'testing.running' ? null : succeed(effect, simulator);
    }).run(),

  'test-stage-lost': () =>
    simulate((effect, simulator) =>
      effect.type === 'runStage' && effect.run.stage === 'testing'
        ? { type: 'stage.lost', stage: 'testing', why: 'its lock is free and it left no rc' }
        : succeed(effect, simulator),
    ).run(),

  'server-deleted-under-its-test': () =>
    simulate((effect, simulator) =>
      effect.type === 'runStage' && effect.run.stage === 'testing'
        ? { type: 'stage.lost', stage: 'testing', why: 'the server was deleted', serverGone: true }
        : succeed(effect, simulator),
    ).run(),

  'server-away-at-the-deadline-of-its-test': () =>
    simulate((effect, simulator) => {
      if (simulator.at(JOB).state === 'testing.running' && effect.type === 'runStage') return null;
      if (simulator.at(JOB).state === 'testing.stopping' && effect.type === 'stopStage')
        return {
          type: 'stage.stop-failed',
          stage: 'testing',
          failure: failure('stop stage', { unreachable: true }),
        };
      return succeed(effect, simulator);
    }).run(),

  'server-leaked': () =>
    simulate((effect, simulator) =>
      effect.type === 'deleteServer'
        ? { type: 'server.delete-failed', failure: failure('delete server') }
        : succeed(effect, simulator),
    ).run(),

  'leaks-removed': () => {
    const simulator = simulate(
      succeedExcept('deleteServer', { type: 'server.delete-failed', failure: failure('delete server') }),
    ).run();
    const leak = {
      server: { id: 'fake-1', name: 'sos-ci-job-1-1', address: '/fake/1', provider: 'local' },
      resources: [
        { kind: 'server', id: 'fake-1' },
        { kind: 'port', id: 'fake-port-1' },
      ],
    } as const;
    const found = { type: 'leak.found', leak, by: null, why: 'two sweeps found it' } as const;
    simulator.answers = succeedExcept('removeLeak', {
      type: 'leak.remove-failed',
      leak,
      failure: failure('delete server'),
    });
    simulator.send(JOB, found);
    simulator.run();
    simulator.answers = succeed;
    simulator.send(JOB, { ...found, by: 'alice', why: 'the cloud is back' });
    return simulator.run();
  },

  'evidence-leaked': () =>
    simulate(
      succeedExcept('discardEvidence', {
        type: 'evidence.discard-failed',
        failure: failure('discard evidence'),
      }),
    ).run(),

  'posted-at-the-third-try': () =>
    simulate((effect, simulator) =>
      effect.type === 'postReview' && effect.key !== 'postReview:3'
        ? { type: 'review.post-failed', failure: failure('post review') }
        : succeed(effect, simulator),
    ).run(),

  'vote-rejected': () =>
    simulate((effect, simulator) =>
      effect.type === 'postReview' && Object.keys(effect.labels).length > 0
        ? { type: 'vote.rejected', failure: failure('vote', { retryable: false }) }
        : succeed(effect, simulator),
    ).run(),

  'vote-dropped': () =>
    simulate((effect, simulator) =>
      effect.type === 'readVotes' ? { type: 'votes.read', votes: {} } : succeed(effect, simulator),
    ).run(),

  'daemon-crashed-twice': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'testing.running');
    for (let times = 0; times < 2; times += 1) {
      simulator.send(JOB, {
        type: 'daemon.crashed',
        during: 'runStage',
        message: 'undefined is not a function',
      });
    }
    return simulator.run();
  },

  'review-crashed-the-daemon-twice': () => {
    const simulator = simulate(succeed);
    for (let times = 0; times < 2; times += 1) {
      simulator.send(REVIEW, {
        type: 'daemon.crashed',
        during: 'lookUpChange:1',
        message: 'undefined is not a function',
      });
    }
    return simulator.run();
  },

  'promoted-while-it-waits': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'queued.waiting');
    simulator.send(JOB, { type: 'job.promoted', by: 'alice', why: 'a release waits for it' });
    return simulator.run();
  },

  'start-message-required-vote-and-mail': () => {
    const requiredVote = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 14_400_000 };
    const report = reportSpec({ startMessage: true, maxConsecutiveFailures: 2 });
    const simulator = simulate(succeed, mailed(opened(report, undefined, preparePlan({ requiredVote }))));
    simulator.send(VOTING, { type: 'voting.opened' });
    runUntil(simulator, REVIEW, 'preparing.awaitingVote');
    simulator.send(REVIEW, { type: 'vote.cast', vote: { account: 'zuul', label: 'Verified', value: 1 } });
    runUntil(simulator, JOB, 'stacking.running');
    simulator.send(JOB, { type: 'stage.started', stage: 'stacking', pid: 4711, adopted: false });
    return simulator.run();
  },

  'everything-fails-once': () => {
    const tried = new Set<string>();
    return simulate(
      (effect, simulator) => {
        const first = FIRST_ANSWERS[effect.type];
        if (first === undefined || tried.has(effect.type)) return succeed(effect, simulator);
        tried.add(effect.type);
        return first;
      },
      mailed(opened(reportSpec({ startMessage: true }))),
    ).run();
  },

  'stage-not-started-then-no-results': () =>
    simulate((effect, simulator) => {
      if (effect.type === 'runStage' && effect.run.owner.attempt === 1)
        return { type: 'stage.start-failed', stage: 'stacking', failure: failure('run stage') };
      if (effect.type === 'readResults')
        return { type: 'results.read-failed', why: 'results.tap is missing' };
      return succeed(effect, simulator);
    }).run(),

  'merge-conflict': () => {
    const { project, change, branch } = PATCHSET;
    const files = ['setup.cfg'];
    return simulate(
      succeedExcept('mergePatchset', { type: 'patchset.conflicted', project, change, branch, files }),
    ).run();
  },

  'only-excluded-files-touched': () => {
    const job = { job: JOB, name: 'acme-dsvm', voting: true, files: { include: [], exclude: ['doc/*'] } };
    const change = { ...RESOLVED, files: ['doc/index.rst'] };
    return simulate(
      succeedExcept('lookUpChange', { type: 'change.looked-up', change }),
      opened(reportSpec(), [job]),
    ).run();
  },

  'superseded-while-it-tests': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'testing.running');
    simulator.answers = succeedExcept('stopStage', {
      type: 'stage.stop-failed',
      stage: 'testing',
      failure: failure('stop stage'),
    });
    simulator.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    return simulator.run();
  },

  'internal-errors': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'booting.creating');
    const failed = { type: 'machine.failed', message: 'undefined is not a function' } as const;
    simulator.send(JOB, { ...failed, event: 'server.active' });
    runUntil(simulator, REVIEW, 'posting.sending');
    simulator.send(REVIEW, { ...failed, event: 'review.posted' });
    return simulator.run();
  },

  'broken-beyond-quarantine': () => {
    const simulator = runUntil(simulate(succeed), JOB, 'booting.creating');
    const broken = {
      type: 'machine.quarantine-failed',
      event: 'server.active',
      message: 'undefined is not a function',
    } as const;
    simulator.send(JOB, broken);
    simulator.run();
    simulator.send(REVIEW, { ...broken, event: 'timer.fired' });
    return simulator.run();
  },

  'logs-full-for-an-hour': () => {
    return simulate(publishFails((effect) => attemptOf(effect) < 9)).run();
  },

  'logs-full-for-good': () => {
    const spec = jobSpec({ limits: { publishAgeMs: 60_000 } });
    const simulator = simulate(
      publishFails(() => true),
      opened(),
      spec,
    );
    runPublicationUntil(simulator, 'discarding');
    simulator.answers = succeedExcept('discardEvidence', {
      type: 'evidence.discard-failed',
      failure: failure('discard evidence'),
    });
    return simulator.run();
  },

  'publication-dropped-while-it-publishes': () => {
    const simulator = runPublicationUntil(simulate(publishFails(() => true)), 'publishing');
    simulator.send(PUBLICATION, { type: 'publication.dropped', why: 'too much waits to be published' });
    return simulator.run();
  },

  'publication-in-trouble': () => {
    const simulator = runPublicationUntil(simulate(publishFails(() => true)), 'publishing');
    const message = 'undefined is not a function';
    simulator.send(PUBLICATION, { type: 'daemon.crashed', during: 'publishEvidence:1', message });
    simulator.send(PUBLICATION, { type: 'machine.failed', event: 'evidence.publish-failed', message });
    simulator.send(PUBLICATION, { type: 'machine.quarantine-failed', event: 'evidence.discarded', message });
    return simulator.run();
  },

  ...holdStories,
  ...endlessStories,
};

/** The failure of the first attempt of each effect; the second one succeeds. */
const FIRST_ANSWERS: Readonly<Partial<Record<KeyedEffect['type'], AnyEvent>>> = {
  lookUpChange: { type: 'change.lookup-failed', failure: failure('look up change') },
  mergePatchset: { type: 'patchset.merge-failed', failure: failure('merge patchset') },
  postStartMessage: { type: 'start-message.post-failed', failure: failure('post start') },
  fetchPatchset: { type: 'patchset.fetch-failed', failure: failure('fetch patchset') },
  collectEvidence: { type: 'evidence.collect-failed', failure: failure('collect evidence') },
  publishEvidence: { type: 'evidence.publish-failed', failure: failure('publish evidence') },
  deleteServer: { type: 'server.delete-failed', failure: failure('delete server') },
  discardEvidence: { type: 'evidence.discard-failed', failure: failure('discard evidence') },
  readChangeState: {
    type: 'change-state.read-failed',
    failure: failure('read change state'),
    jobs: [inForce('acme-dsvm')],
  },
  postReview: { type: 'review.post-failed', failure: failure('post review') },
  readVotes: { type: 'votes.read-failed', failure: failure('read votes') },
  sendMail: { type: 'mail.send-failed', failure: failure('send mail') },
};

const PUBLICATION = publicationOf(JOB);

/** Runs until the publication, which begins later than the other histories, reaches this state. */
function runPublicationUntil(simulator: Simulator, state: string): Simulator {
  runUntil(simulator, JOB, 'publishing.uploading');
  while (!simulator.stored.has(PUBLICATION)) if (!simulator.next()) throw new Error(simulator.summary());
  return runUntil(simulator, PUBLICATION, state);
}

/** The tests fail, and so does each attempt to publish for which the condition is true. */
function publishFails(unpublished: (effect: KeyedEffect) => boolean): Answers {
  return (effect, simulator) => {
    if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
    if (effect.type === 'publishEvidence' && unpublished(effect))
      return { type: 'evidence.publish-failed', failure: failure('publish evidence') };
    return succeed(effect, simulator);
  };
}

/** The number at the end of a key: 0 for the job's own attempt. */
function attemptOf({ key }: KeyedEffect): number {
  return Number(key.split(':')[1] ?? 0);
}

/** A review with one job; every effect takes a second and a half. */
function simulate(answers: Answers, opening = opened(), spec = jobSpec()): Simulator {
  const simulator = new Simulator();
  simulator.send(REVIEW, opening);
  simulator.send(JOB, accepted(spec));
  simulator.answers = (effect, it) => {
    const event = answers(effect, it);
    if (event !== null) it.now += 1_500;
    return event;
  };
  return simulator;
}

/** The same event, with a mail at the end of the review. */
function mailed(opening: AnyEvent): AnyEvent {
  const mail = {
    to: ['ci@acme.example'],
    on: 'always',
    attempts: 3,
    retryMs: 60_000,
    timeoutMs: 30_000,
  } as const;
  return opening.type === 'review.opened' ? { ...opening, mail } : opening;
}

function exited(stage: 'stacking' | 'testing', code: number): AnyEvent {
  return { type: 'stage.exited', stage, end: { how: 'exited', code } };
}
