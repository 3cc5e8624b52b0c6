/** The host's clocks and the fake keep the same promises. */
import { systemClock } from '../../../src/adapters/clock/system.ts';
import { clockContract } from '../../contracts/clock.ts';
import { FakeClock } from '../../fakes/clock.ts';

clockContract('system', () => ({ clock: systemClock, pass: () => Promise.resolve() }));
clockContract('fake', () => {
  const clock = new FakeClock();
  return { clock, pass: (ms) => clock.advance(ms) };
});
