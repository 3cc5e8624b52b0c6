/** The contract of the clock, on the host's clocks and on the fake. */
import { systemClock } from '../../../src/adapters/clock/system.ts';
import { clockContract } from '../../contracts/clock.ts';
import { FakeClock } from '../../fakes/clock.ts';

clockContract('system', () => ({ clock: systemClock, pass: () => Promise.resolve() }));
clockContract('fake', () => {
  const clock = new FakeClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});
