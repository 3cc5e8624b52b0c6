import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { AlarmMailer } from '../../../src/engine/operations/alarm-mailer.ts';
import { persistentAlarms } from '../../../src/engine/operations/alarm-sink.ts';
import type { Alarms } from '../../../src/engine/ports/adapters.ts';
import type { Store } from '../../../src/engine/ports/store.ts';
import type { Alarm } from '../../../src/machines/model/alarm.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeLog } from '../../fakes/log.ts';
import { FakeMailer } from '../../fakes/mailer.ts';
import { failure } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';

const HOUR = 3_600_000;
let store: Store;
let clock: FakeClock;
let mailer: FakeMailer;
let log: FakeLog;
let alarms: Alarms;
let alarmMailer: AlarmMailer;

beforeEach(() => {
  store = openStore(':memory:');
  clock = new FakeClock();
  mailer = new FakeMailer();
  log = new FakeLog();
  begin();
});
afterEach(async () => {
  await alarmMailer.stop();
  store.close();
});

/** Starts the mailer of a new daemon on this database. */
function begin(): void {
  alarms = persistentAlarms(store, clock, log, { alarmRepeatAfterMs: 6 * HOUR, maxAlarms: 100 }, () =>
    alarmMailer.schedule(),
  );
  alarmMailer = new AlarmMailer({
    store,
    mailer,
    clock,
    alarms,
    log,
    hash: sha256,
    to: ['ops@acme.example'],
    deployment: 'acme-lab',
    limit: 3,
    gatherMs: 10_000,
    timeoutMs: 60_000,
    attempts: 3,
    retryMs: 60_000,
  });
}

const raise = (target: string, more: Partial<Alarm> = {}) =>
  alarms.raise({ kind: 'server-leaked', target, message: 'it is still there', hint: 'look', ...more });
const subjects = () => mailer.sent.map(({ subject }) => subject);

describe('an alarm', () => {
  test('is mailed once, with the fix', async () => {
    await raise('job j1');
    expect(mailer.sent).toEqual([]);
    await clock.advance(10_000);
    expect(mailer.sent).toMatchObject([
      {
        to: ['ops@acme.example'],
        subject: 'sos-ci acme-lab: server-leaked: job j1',
        text: [
          'server-leaked: job j1',
          '    it is still there',
          '    What to do: look',
          '    2026-01-02T03:04:05.000Z',
          '',
          'sos-ci status shows the current alarms.',
          '',
        ].join('\n'),
      },
    ]);
    await raise('job j1');
    await clock.advance(HOUR);
    expect(mailer.sent).toHaveLength(1);
  });

  test('that is raised again after a silent period is mailed again, with another id', async () => {
    await raise('job j1');
    await clock.advance(10_000);
    await clock.advance(7 * HOUR);
    await raise('job j1');
    await clock.advance(10_000);
    expect(subjects()).toHaveLength(2);
    expect(mailer.sent[0]?.id).not.toBe(mailer.sent[1]?.id);
    expect(mailer.sent[1]?.text).toContain(', 2 times in all');
  });

  test('is mailed together with others that are raised at the same time', async () => {
    for (const target of ['j1', 'j2', 'j3']) await raise(target);
    await clock.advance(10_000);
    expect(subjects()).toEqual(['sos-ci acme-lab: 3 alarms']);
  });

  test('that quotes foreign text stays within its lines', async () => {
    await raise('1,1', { message: 'said\r\nBcc: x@y\u202e\u0000', hint: '' });
    await clock.advance(10_000);
    expect(mailer.sent[0]?.text).toContain('1,1\n    said Bcc: x@y\n    2026');
  });
});

describe('a burst of alarms', () => {
  test('gives a few mails in any hour, with all of the alarms', async () => {
    for (let number = 1; number <= 120; number += 1) {
      await raise(`job j${number}`);
      await clock.advance(60_000);
    }
    // Two hours, three mails each.
    expect(mailer.sent.length).toBeLessThanOrEqual(6);
    await clock.advance(HOUR);
    const texts = mailer.sent.map(({ text }) => text).join('\n');
    for (let number = 1; number <= 120; number += 1)
      expect(texts).toContain(`server-leaked: job j${number}\n`);
    expect(store.unmailed(9)).toEqual([]);
  });
});

describe('a failing mail server', () => {
  const down = (retryable: boolean) => mailer.failNext(failure('send mail', { retryable }));

  test('is retried, and the alarm is mailed once it works', async () => {
    down(true);
    down(true);
    await raise('job j1');
    await clock.advance(10_000 + 60_000 + 120_000);
    expect(subjects()).toEqual(['sos-ci acme-lab: server-leaked: job j1']);
  });

  test.each([
    ['each time', true, 3],
    ['permanently', false, 1],
  ])('fails %s: raises an alarm that is mailed later with the others', async (_what, retryable, tries) => {
    for (let times = 0; times < tries; times += 1) down(retryable);
    await raise('job j1');
    await clock.advance(10_000 + 180_000);
    expect(mailer.calls.count('send')).toBe(tries);
    expect(store.lastAlarm('mail-send-failed', 'operator')).toMatchObject({ times: 1 });
    // An hour later it is retried.
    await clock.advance(HOUR);
    expect(subjects()).toEqual(['sos-ci acme-lab: 2 alarms']);
    await clock.advance(24 * HOUR);
    expect(mailer.sent).toHaveLength(1);
  });

  test('refuses one of the recipients: the others get each mail once, and the next one names the refused', async () => {
    mailer.refused = ['ops@acme.example'];
    await raise('job j1');
    await clock.advance(10_000);
    expect(subjects()).toEqual(['sos-ci acme-lab: server-leaked: job j1']);
    expect(store.lastAlarm('mail-send-failed', 'operator')).toMatchObject({
      times: 1,
      message: 'mail to the operator did not reach all recipients: not accepted for ops@acme.example',
    });
    await clock.advance(2 * HOUR);
    expect([mailer.sent.length, clock.pending]).toEqual([1, 0]);
    await raise('job j2');
    await clock.advance(10_000 + 2 * HOUR);
    expect(subjects().slice(1)).toEqual(['sos-ci acme-lab: 2 alarms']);
    expect([store.unmailed(9), clock.pending]).toEqual([[], 0]);
  });

  test('that refuses one of the recipients gets no more mails in an hour than the limit', async () => {
    mailer.refused = ['ops@acme.example'];
    for (let number = 1; number <= 5; number += 1) {
      await raise(`job j${number}`);
      await clock.advance(60_000);
    }
    expect(mailer.sent).toHaveLength(3);
  });

  test('that hangs is aborted at the timeout', async () => {
    mailer.holdNext('request');
    await raise('job j1');
    await clock.advance(10_000);
    await clock.advance(60_000);
    expect(mailer.sent).toEqual([]);
    await clock.advance(60_000);
    expect(mailer.sent).toHaveLength(1);
  });
});

describe('a restart', () => {
  test('mails unmailed alarms, and repeats an unconfirmed mail with the same id', async () => {
    mailer.holdNext('answer');
    await raise('job j1');
    await clock.advance(10_000);
    expect(mailer.calls.held).toBe(1);
    await alarmMailer.stop();
    begin();
    alarmMailer.schedule();
    await clock.advance(10_000);
    expect(mailer.sent).toHaveLength(2);
    expect(mailer.sent[0]?.id).toBe(mailer.sent[1]?.id);
    expect(store.unmailed(9)).toEqual([]);
  });

  test('after a stop nothing is sent', async () => {
    await alarmMailer.stop();
    await raise('job j1');
    await clock.advance(HOUR);
    expect(mailer.sent).toEqual([]);
    expect(clock.pending).toBe(0);
  });
});
