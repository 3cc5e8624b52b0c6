/**
 * Stories of what operators begin: holds, which keep servers for debugging, and cleanings. They have the form of those
 * in stories.ts.
 */
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { accepted, FAILED, failure, HOLD, holdRequested, JOB, jobSpec, opened, REVIEW } from './facts.ts';
import { janitorStories } from './janitor-stories.ts';
import { type Answers, runUntil, Simulator, succeed } from './simulator.ts';

const OTHER = 'hold-2';
const RELEASED: AnyEvent = { type: 'hold.released', by: 'alice', why: 'found it' };
const CRASHED: AnyEvent = { type: 'daemon.crashed', during: 'openServer:1', message: 'out of range' };

export const holdStories: Readonly<Record<string, () => Simulator>> = {
  'held-after-a-failure': () => {
    const simulator = wanted(
      testsFail((effect, it) => {
        if (effect.type === 'openServer' && effect.key === 'openServer:1')
          return { type: 'server.open-failed', failure: failure('open server') };
        if (effect.type === 'deleteServer' && effect.key === 'deleteServer:1')
          return { type: 'server.delete-failed', failure: failure('delete server') };
        return succeed(effect, it);
      }),
    );
    runUntil(simulator, HOLD, 'holding');
    simulator.send(HOLD, RELEASED);
    simulator.send(HOLD, RELEASED);
    return simulator.run();
  },

  'held-however-it-ends': () => {
    const simulator = wanted(succeed);
    simulator.send(OTHER, holdRequested({ job: JOB }, OTHER));
    simulator.send(JOB, { type: 'job.hold-requested', hold: OTHER, always: true });
    return simulator.run();
  },

  'hold-released-before-the-failure': () => {
    const simulator = wanted(testsFail(succeed));
    simulator.send(HOLD, RELEASED);
    simulator.run();
    simulator.send(OTHER, holdRequested({ job: JOB }, OTHER));
    simulator.send(JOB, { type: 'job.hold-requested', hold: OTHER, always: true });
    return simulator;
  },

  'hold-in-trouble': () => {
    const simulator = wanted(
      testsFail((effect, it) =>
        effect.type === 'deleteServer'
          ? { type: 'server.delete-failed', failure: failure('delete server') }
          : succeed(effect, it),
      ),
    );
    runUntil(simulator, HOLD, 'holding');
    simulator.send(HOLD, CRASHED);
    simulator.send(HOLD, { type: 'machine.failed', event: 'timer.fired', message: 'not a function' });
    simulator.run();
    simulator.send(OTHER, holdRequested({ change: 7, name: null }, OTHER));
    simulator.send(OTHER, { type: 'machine.quarantine-failed', event: 'timer.fired', message: 'again' });
    return simulator;
  },

  ...janitorStories,
};

/** A job whose server a hold wants if it fails. Every effect takes a second and a half. */
function wanted(answers: Answers): Simulator {
  const simulator = new Simulator();
  simulator.send(REVIEW, opened());
  simulator.send(JOB, accepted(jobSpec()));
  simulator.send(HOLD, holdRequested());
  simulator.send(JOB, { type: 'job.hold-requested', hold: HOLD, always: false });
  simulator.answers = (effect, it) => {
    const event = answers(effect, it);
    if (event !== null) it.now += 1_500;
    return event;
  };
  return simulator;
}

function testsFail(answers: Answers): Answers {
  return (effect, it) =>
    effect.type === 'readResults' ? { type: 'results.read', results: FAILED } : answers(effect, it);
}
