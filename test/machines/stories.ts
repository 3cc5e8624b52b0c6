/**
 * The stories whose histories are recorded in test/histories: each is a whole life of a review and its job, told to the
 * machines of today. `scripts/record-histories.mjs` writes them down; what was written is replayed by every build.
 */
import type { AnyEvent } from '../../src/machines/events.ts';
import { FAILED, failure, JOB, jobSpec, REVIEW, reportSpec } from './facts.ts';
import { type Answers, answerWell, comeTo, Simulator } from './simulator.ts';

/** Name of the file: how the story goes. */
export const stories: Readonly<Record<string, () => Simulator>> = {
  success: () => told(answerWell).run(),

  'failing-test': () =>
    told((effect, world) => {
      if (effect.type === 'readResults') return { type: 'results.read', results: FAILED };
      if (effect.type === 'runStage' && effect.run.stage === 'testing') return exited('testing', 1);
      return answerWell(effect, world);
    }).run(),

  'setup-retried-then-retry-limit': () =>
    told((effect, world) =>
      effect.type === 'runStage' ? exited('stacking', 1) : answerWell(effect, world),
    ).run(),

  'boot-failed-once': () =>
    told((effect, world) =>
      effect.type === 'createServer' && effect.owner.attempt === 1
        ? { type: 'server.failed', failure: failure('create server') }
        : answerWell(effect, world),
    ).run(),

  'cancelled-while-creating': () => {
    const world = comeTo(told(answerWell), JOB, 'booting.creating');
    world.tell(REVIEW, { type: 'review.cancelled', reason: 'the change was abandoned' });
    return world.run();
  },

  'superseded-after-the-post-was-sent': () => {
    const world = comeTo(told(answerWell), REVIEW, 'posting.sending');
    world.tell(REVIEW, { type: 'review.superseded', by: '912345,4' });
    return world.run();
  },

  'test-stage-never-ends': () =>
    told((effect, world) => {
      const silent = effect.type === 'runStage' && effect.run.stage === 'testing';
      return silent && world.at(JOB).state === 'testing.running' ? null : answerWell(effect, world);
    }).run(),

  'test-stage-lost': () =>
    told((effect, world) =>
      effect.type === 'runStage' && effect.run.stage === 'testing'
        ? { type: 'stage.lost', stage: 'testing', why: 'its lock is free and it left no rc' }
        : answerWell(effect, world),
    ).run(),

  'server-leaked': () =>
    told((effect, world) =>
      effect.type === 'deleteServer'
        ? { type: 'server.undeleted', failure: failure('delete server') }
        : answerWell(effect, world),
    ).run(),

  'posted-at-the-third-try': () =>
    told((effect, world) =>
      effect.type === 'postReview' && effect.key !== 'postReview:3'
        ? { type: 'review.unposted', failure: failure('post review') }
        : answerWell(effect, world),
    ).run(),

  'vote-refused': () =>
    told((effect, world) =>
      effect.type === 'postReview' && Object.keys(effect.labels).length > 0
        ? { type: 'vote.refused', failure: failure('vote', { retryable: false }) }
        : answerWell(effect, world),
    ).run(),

  'vote-dropped': () =>
    told((effect, world) =>
      effect.type === 'readVotes' ? { type: 'votes.read', votes: {} } : answerWell(effect, world),
    ).run(),

  'daemon-crashed-twice': () => {
    const world = comeTo(told(answerWell), JOB, 'testing.running');
    for (let times = 0; times < 2; times += 1) {
      world.tell(JOB, { type: 'daemon.crashed', during: 'runStage', message: 'undefined is not a function' });
    }
    return world.run();
  },

  'promoted-while-it-waits': () => {
    const world = comeTo(told(answerWell), JOB, 'queued.waiting');
    world.tell(JOB, { type: 'job.promoted', by: 'alice', why: 'a release waits for it' });
    return world.run();
  },

  'configuration-with-a-mistake': () => {
    const world = new Simulator(answerWell);
    const base = { file: '/etc/sos-ci.yaml', by: '', why: '' };
    const loaded = { type: 'config.loaded', ...base, changed: [], restart: [] } as const;
    const problems = ['/etc/sos-ci.yaml:3:1: jobs: is missing; add at least one job'];
    world.tell('config', loaded);
    world.tell('config', { type: 'config.refused', ...base, by: 'SIGHUP', problems });
    world.tell('config', { ...loaded, by: 'alice', why: 'mended', changed: ['jobs.unit'] });
    return world;
  },
};

/** A review with one job, in a world in which everything takes a second and a half. */
function told(answers: Answers): Simulator {
  const world = Simulator.whole([jobSpec()], reportSpec());
  world.answers = (effect, it) => {
    const event = answers(effect, it);
    if (event !== null) it.now += 1_500;
    return event;
  };
  return world;
}

function exited(stage: 'stacking' | 'testing', code: number): AnyEvent {
  return { type: 'stage.exited', stage, end: { how: 'exited', code } };
}
