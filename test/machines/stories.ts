/**
 * The stories whose histories are recorded in test/histories: each is a whole life of a review and its job, told to the
 * machines of today. `scripts/record-histories.mjs` writes them down; what was written is replayed by every build.
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
import { type Answers, answerWell, comeTo, Simulator, unless } from './simulator.ts';

/** Name of the file: how the story goes. */
export const stories: Readonly<Record<string, () => Simulator>> = {
  success: () => simulate(answerWell).run(),

  'failing-test': () =>
    simulate((effect, world) => {
      if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
      if (effect.type === 'runStage' && effect.run.stage === 'testing') return exited('testing', 1);
      return answerWell(effect, world);
    }).run(),

  'setup-retried-then-retry-limit': () =>
    simulate((effect, world) =>
      effect.type === 'runStage' ? exited('stacking', 1) : answerWell(effect, world),
    ).run(),

  'playbook-failed-once': () =>
    simulate(
      (effect, world) =>
        effect.type === 'runStage' && effect.run.stage === 'stacking' && effect.run.owner.attempt === 1
          ? {
              type: 'stage.exited',
              stage: 'stacking',
              end: { how: 'exited', code: 2, failedTask: FAILED_TASK },
            }
          : answerWell(effect, world),
      opened(),
      jobSpec({ stacking: PLAYBOOK, testing: PLAYBOOK }),
    ).run(),

  'setup-never-ends': () =>
    simulate((effect, world) => {
      const { state } = world.at(JOB);
      if (effect.type === 'createServer' && state === 'booting.creating' && effect.owner.attempt === 1)
        return null;
      if (effect.type === 'runStage' && state === 'stacking.running') return null;
      return answerWell(effect, world);
    }).run(),

  'boot-failed-once': () =>
    simulate((effect, world) =>
      effect.type === 'createServer' && effect.owner.attempt === 1
        ? { type: 'server.create-failed', failure: failure('create server') }
        : answerWell(effect, world),
    ).run(),

  'cancelled-while-creating': () => {
    const world = comeTo(simulate(answerWell), JOB, 'booting.creating');
    world.send(REVIEW, { type: 'review.cancelled', reason: 'the change was abandoned' });
    return world.run();
  },

  'superseded-after-the-post-was-sent': () => {
    const world = comeTo(simulate(answerWell), REVIEW, 'posting.sending');
    world.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    return world.run();
  },

  'test-stage-never-ends': () =>
    simulate((effect, world) => {
      const silent = effect.type === 'runStage' && effect.run.stage === 'testing';
      return silent && world.at(JOB).state === 'testing.running' ? null : answerWell(effect, world);
    }).run(),

  'test-stage-lost': () =>
    simulate((effect, world) =>
      effect.type === 'runStage' && effect.run.stage === 'testing'
        ? { type: 'stage.lost', stage: 'testing', why: 'its lock is free and it left no rc' }
        : answerWell(effect, world),
    ).run(),

  'server-leaked': () =>
    simulate((effect, world) =>
      effect.type === 'deleteServer'
        ? { type: 'server.delete-failed', failure: failure('delete server') }
        : answerWell(effect, world),
    ).run(),

  'evidence-leaked': () =>
    simulate(
      unless('discardEvidence', { type: 'evidence.discard-failed', failure: failure('discard evidence') }),
    ).run(),

  'posted-at-the-third-try': () =>
    simulate((effect, world) =>
      effect.type === 'postReview' && effect.key !== 'postReview:3'
        ? { type: 'review.post-failed', failure: failure('post review') }
        : answerWell(effect, world),
    ).run(),

  'vote-rejected': () =>
    simulate((effect, world) =>
      effect.type === 'postReview' && Object.keys(effect.labels).length > 0
        ? { type: 'vote.rejected', failure: failure('vote', { retryable: false }) }
        : answerWell(effect, world),
    ).run(),

  'vote-dropped': () =>
    simulate((effect, world) =>
      effect.type === 'readVotes' ? { type: 'votes.read', votes: {} } : answerWell(effect, world),
    ).run(),

  'daemon-crashed-twice': () => {
    const world = comeTo(simulate(answerWell), JOB, 'testing.running');
    for (let times = 0; times < 2; times += 1) {
      world.send(JOB, { type: 'daemon.crashed', during: 'runStage', message: 'undefined is not a function' });
    }
    return world.run();
  },

  'review-crashed-the-daemon-twice': () => {
    const world = simulate(answerWell);
    for (let times = 0; times < 2; times += 1) {
      world.send(REVIEW, {
        type: 'daemon.crashed',
        during: 'lookUpChange:1',
        message: 'undefined is not a function',
      });
    }
    return world.run();
  },

  'promoted-while-it-waits': () => {
    const world = comeTo(simulate(answerWell), JOB, 'queued.waiting');
    world.send(JOB, { type: 'job.promoted', by: 'alice', why: 'a release waits for it' });
    return world.run();
  },

  'start-message-hold-and-mail': () => {
    const hold = { account: 'zuul', label: 'Verified', value: 1, timeoutMs: 14_400_000 };
    const report = reportSpec({ startMessage: true, maxConsecutiveFailures: 2 });
    const world = simulate(answerWell, mailed(opened(report, undefined, preparePlan({ hold }))));
    world.send(VOTING, { type: 'voting.opened' });
    comeTo(world, REVIEW, 'preparing.awaitingVote');
    world.send(REVIEW, { type: 'vote.cast', vote: { account: 'zuul', label: 'Verified', value: 1 } });
    comeTo(world, JOB, 'stacking.running');
    world.send(JOB, { type: 'stage.started', stage: 'stacking', pid: 4711, adopted: false });
    return world.run();
  },

  'nothing-works-at-once': () => {
    const tried = new Set<string>();
    return simulate(
      (effect, world) => {
        const first = FIRST_ANSWERS[effect.type];
        if (first === undefined || tried.has(effect.type)) return answerWell(effect, world);
        tried.add(effect.type);
        return first;
      },
      mailed(opened(reportSpec({ startMessage: true }))),
    ).run();
  },

  'stage-not-started-then-no-results': () =>
    simulate((effect, world) => {
      if (effect.type === 'runStage' && effect.run.owner.attempt === 1)
        return { type: 'stage.start-failed', stage: 'stacking', failure: failure('run stage') };
      if (effect.type === 'readResults')
        return { type: 'results.read-failed', why: 'results.tap is missing' };
      return answerWell(effect, world);
    }).run(),

  'merge-conflict': () => {
    const { project, change, branch } = PATCHSET;
    const files = ['setup.cfg'];
    return simulate(
      unless('mergePatchset', { type: 'patchset.conflicted', project, change, branch, files }),
    ).run();
  },

  'nothing-touched': () => {
    const job = { job: JOB, name: 'acme-dsvm', voting: true, files: { include: [], exclude: ['doc/*'] } };
    const change = { ...RESOLVED, files: ['doc/index.rst'] };
    return simulate(
      unless('lookUpChange', { type: 'change.looked-up', change }),
      opened(reportSpec(), [job]),
    ).run();
  },

  'superseded-while-it-tests': () => {
    const world = comeTo(simulate(answerWell), JOB, 'testing.running');
    world.answers = unless('stopStage', {
      type: 'stage.stop-failed',
      stage: 'testing',
      failure: failure('stop stage'),
    });
    world.send(REVIEW, { type: 'review.superseded', by: '912345,4' });
    return world.run();
  },

  'internal-errors': () => {
    const world = comeTo(simulate(answerWell), JOB, 'booting.creating');
    const failed = { type: 'machine.failed', message: 'undefined is not a function' } as const;
    world.send(JOB, { ...failed, event: 'server.active' });
    comeTo(world, REVIEW, 'posting.sending');
    world.send(REVIEW, { ...failed, event: 'review.posted' });
    return world.run();
  },

  'broken-beyond-quarantine': () => {
    const world = comeTo(simulate(answerWell), JOB, 'booting.creating');
    const broken = {
      type: 'machine.quarantine-failed',
      event: 'server.active',
      message: 'undefined is not a function',
    } as const;
    world.send(JOB, broken);
    world.run();
    world.send(REVIEW, { ...broken, event: 'timer.fired' });
    return world.run();
  },

  'logs-full-for-an-hour': () => {
    return simulate(failing((effect) => attemptOf(effect) < 9)).run();
  },

  'logs-full-for-good': () => {
    const spec = jobSpec({ limits: { publishAgeMs: 60_000 } });
    const world = simulate(
      failing(() => true),
      opened(),
      spec,
    );
    come(world, 'discarding');
    world.answers = unless('discardEvidence', {
      type: 'evidence.discard-failed',
      failure: failure('discard evidence'),
    });
    return world.run();
  },

  'publication-dropped-while-it-publishes': () => {
    const world = come(simulate(failing(() => true)), 'publishing');
    world.send(PUBLICATION, { type: 'publication.dropped', why: 'too much waits to be published' });
    return world.run();
  },

  'publication-in-trouble': () => {
    const world = come(simulate(failing(() => true)), 'publishing');
    const message = 'undefined is not a function';
    world.send(PUBLICATION, { type: 'daemon.crashed', during: 'publishEvidence:1', message });
    world.send(PUBLICATION, { type: 'machine.failed', event: 'evidence.publish-failed', message });
    world.send(PUBLICATION, { type: 'machine.quarantine-failed', event: 'evidence.discarded', message });
    return world.run();
  },

  ...endlessStories,
};

/** How each thing goes wrong in a world in which the next try helps. */
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

/** To the first moment at which the publication, which begins later than the rest, is in this state. */
function come(world: Simulator, state: string): Simulator {
  comeTo(world, JOB, 'publishing.uploading');
  while (!world.stored.has(PUBLICATION)) if (!world.next()) throw new Error(world.summary());
  return comeTo(world, PUBLICATION, state);
}

/** The tests fail, and so does each attempt at publishing that the condition names. */
function failing(unpublished: (effect: KeyedEffect) => boolean): Answers {
  return (effect, world) => {
    if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
    if (effect.type === 'publishEvidence' && unpublished(effect))
      return { type: 'evidence.publish-failed', failure: failure('publish evidence') };
    return answerWell(effect, world);
  };
}

/** The number at the end of a key: 0 for the job's own attempt. */
function attemptOf({ key }: KeyedEffect): number {
  return Number(key.split(':')[1] ?? 0);
}

/** A review with one job, in a world in which everything takes a second and a half. */
function simulate(answers: Answers, opening = opened(), spec = jobSpec()): Simulator {
  const world = new Simulator();
  world.send(REVIEW, opening);
  world.send(JOB, accepted(spec));
  world.answers = (effect, it) => {
    const event = answers(effect, it);
    if (event !== null) it.now += 1_500;
    return event;
  };
  return world;
}

/** The same, and its end is told by mail. */
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
