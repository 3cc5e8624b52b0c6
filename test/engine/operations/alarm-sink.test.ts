/** The log names an alarm when it is raised, and when it is cleared while it was open. */
import { expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { persistentAlarms } from '../../../src/engine/operations/alarm-sink.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeLog } from '../../fakes/log.ts';

test('a clear is logged once, and only if the alarm was open', async () => {
  const [store, log] = [openStore(':memory:'), new FakeLog()];
  const limits = { alarmRepeatAfterMs: 0, maxAlarms: 10 };
  let raised = 0;
  const alarms = persistentAlarms(store, new FakeClock(), log, limits, () => {
    raised += 1;
  });
  const alarm = { kind: 'server-leaked', target: 'job j1', message: 'it is there', hint: 'look' } as const;
  const cleared = { ...alarm, message: 'it is gone', hint: '', cleared: true } as const;
  await alarms.raise(cleared);
  expect([log.lines, store.alarms(9), raised]).toEqual([[], [], 0]);
  await alarms.raise(alarm);
  for (let times = 0; times < 2; times += 1) await alarms.raise(cleared);
  expect([log.lines, raised]).toEqual([['error it is there', 'info cleared: it is gone'], 2]);
  store.close();
});
