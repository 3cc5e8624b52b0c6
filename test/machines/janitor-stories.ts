/** Stories of cleanings. They have the form of those in stories.ts. */
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import { CLEANING, cleaningRequested, failure, janitorSpec } from './facts.ts';
import { type Answers, runUntil, Simulator, succeed } from './simulator.ts';

const OTHER = 'cleaning-2';
const CRASHED: AnyEvent = { type: 'daemon.crashed', during: 'runJanitor:1', message: 'out of range' };

export const janitorStories: Readonly<Record<string, () => Simulator>> = {
  'janitor-cleans-at-the-second-try': () => {
    const simulator = requested((effect, it) =>
      effect.type === 'runJanitor' && effect.key === 'runJanitor:1'
        ? { type: 'janitor.exited', end: { how: 'exited', code: 3 }, lastLine: 'the array is busy' }
        : succeed(effect, it),
    );
    runUntil(simulator, CLEANING, 'running');
    simulator.send(CLEANING, { type: 'janitor.started', pid: 4_242, adopted: false });
    return simulator.run();
  },

  'janitor-never-gets-its-back-ends': () =>
    requested((effect, it) => (effect.type === 'acquireBackends' ? null : succeed(effect, it))).run(),

  'janitor-stopped-after-its-deadline': () =>
    requested((effect, it) => {
      if (effect.type === 'runJanitor') return null;
      return effect.key === 'stopJanitor:1'
        ? { type: 'janitor.stop-failed', failure: failure('stop janitor') }
        : succeed(effect, it);
    }).run(),

  'janitor-in-trouble': () => {
    const simulator = requested((effect, it) => {
      if (effect.type === 'runJanitor')
        return effect.key === 'runJanitor:1'
          ? { type: 'janitor.start-failed', failure: failure('run janitor') }
          : { type: 'janitor.lost', why: 'the runner was killed' };
      return effect.type === 'stopJanitor' && effect.key !== 'stopJanitor:1'
        ? { type: 'janitor.stop-failed', failure: failure('stop janitor') }
        : succeed(effect, it);
    });
    simulator.run();
    for (const event of [CRASHED, internal('machine.failed'), internal('machine.quarantine-failed')])
      simulator.send(CLEANING, event);
    simulator.send(OTHER, cleaningRequested(janitorSpec(), OTHER));
    runUntil(simulator, OTHER, 'running');
    simulator.send(OTHER, CRASHED);
    simulator.send(OTHER, internal('machine.failed'));
    simulator.send(OTHER, internal('machine.quarantine-failed'));
    return simulator;
  },
};

function internal(type: 'machine.failed' | 'machine.quarantine-failed'): AnyEvent {
  return { type, event: 'timer.fired', message: 'not a function' };
}

/** A requested cleaning. Every effect takes a second and a half. */
function requested(answers: Answers): Simulator {
  const simulator = new Simulator();
  simulator.send(CLEANING, cleaningRequested());
  simulator.answers = (effect, it) => {
    const event = answers(effect, it);
    if (event !== null) it.now += 1_500;
    return event;
  };
  return simulator;
}
