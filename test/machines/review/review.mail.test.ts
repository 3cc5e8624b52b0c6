/** The mail at the end of a review: recipients and retries; the review does not wait for it. */
import { describe, expect, test } from 'vitest';
import type { JobReport } from '../../../src/machines/model/domain.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import type { MailSpec } from '../../../src/machines/review/mail.ts';
import { FAILED, failure, JOB, jobSpec, opened, REVIEW, reportSpec } from '../facts.ts';
import { type Answers, Simulator, succeed } from '../simulator.ts';

const SPEC: MailSpec = {
  to: ['ci@acme.example'],
  on: 'failure',
  attempts: 3,
  retryMs: 60_000,
  timeoutMs: 30_000,
};

function mailed(mail: MailSpec, answers: Answers = succeed, report = reportSpec()): Simulator {
  const simulator = new Simulator(answers);
  const event = opened(report);
  simulator.send(REVIEW, event.type === 'review.opened' ? { ...event, mail } : event);
  return simulator;
}

/** A review whose job has reported. */
function ended(
  mail: MailSpec,
  changes: Partial<JobReport>,
  answers: Answers = succeed,
  report = reportSpec(),
): Simulator {
  const simulator = mailed(mail, answers, report).run();
  simulator.send(REVIEW, {
    type: 'job.reported',
    report: {
      job: JOB,
      name: jobSpec().name,
      voting: true,
      verdict: 'SUCCESS',
      reason: '',
      lastLine: null,
      evidence: 'none',
      url: null,
      durationMs: 61_000,
      results: null,
      ...changes,
    },
  });
  return simulator.run();
}

const mails = (simulator: Simulator) =>
  simulator.rowsOf(REVIEW).flatMap((row) => row.effects.filter((effect) => effect.type === 'sendMail'));
const FAILING: Partial<JobReport> = { verdict: 'FAILURE', reason: '1 of 3 tests failed', results: FAILED };
const unsent = (retryable: boolean): AnyEvent => ({
  type: 'mail.send-failed',
  failure: failure('send mail', { retryable }),
});
const noMail =
  (retryable: boolean): Answers =>
  (effect, simulator) =>
    effect.type === 'sendMail' ? unsent(retryable) : succeed(effect, simulator);

describe('a mail at the end', () => {
  test('is requested by the row that ends the review', () => {
    const simulator = ended(SPEC, FAILING);
    const [mail, ...more] = mails(simulator);
    expect(more).toEqual([]);
    expect(mail).toMatchObject({
      key: 'sendMail:1',
      delayMs: 0,
      timeoutMs: 30_000,
      mail: {
        id: `review.${REVIEW}`,
        to: SPEC.to,
        subject: expect.stringMatching(/^FAILURE: openstack\/cinder/),
      },
    });
    const ending = simulator
      .rowsOf(REVIEW)
      .find((row) => row.effects.some(({ type }) => type === 'sendMail'));
    expect(ending?.state).toBe('done');
    expect(simulator.pendingEffects(REVIEW)).toEqual([]);
  });

  test.each([
    ['failure', FAILING, {}, 1],
    ['failure', {}, {}, 0],
    ['failure', { voting: false, ...FAILING }, {}, 0],
    ['failure', { verdict: 'NODE_FAILURE', reason: 'no server' }, {}, 1],
    ['always', {}, {}, 1],
    ['always', {}, { enabled: false }, 1],
    ['always', { verdict: 'ABORTED', reason: 'by hand' }, {}, 0],
  ] as const)(
    'with on: %s, a report %j and report settings %j send %i mails',
    (on, changes, report, count) => {
      const simulator = ended({ ...SPEC, on }, changes, succeed, reportSpec(report));
      expect(simulator.at(REVIEW).ended).toBe(true);
      expect(mails(simulator)).toHaveLength(count);
    },
  );

  test('reports a success that Gerrit rejected', () => {
    const simulator = ended(SPEC, {}, (effect, it) =>
      effect.type === 'postReview'
        ? { type: 'review.post-failed', failure: failure('post review', { retryable: false }) }
        : succeed(effect, it),
    );
    expect(mails(simulator)).toMatchObject([
      { mail: { subject: expect.stringMatching(/^SUCCESS, not posted: /) } },
    ]);
  });

  test('is not requested if none is configured', () => {
    const simulator = Simulator.reviewWithJobs().run();
    expect(mails(simulator)).toEqual([]);
  });
});

describe('a mail that cannot be sent', () => {
  test('is retried with increasing delays, then raises an alarm, while the review stays ended', () => {
    const simulator = ended(SPEC, FAILING, noMail(true));
    const asked = mails(simulator);
    expect(asked.map(({ key }) => key)).toEqual(['sendMail:1', 'sendMail:2', 'sendMail:3']);
    expect(asked.flatMap((effect) => (effect.type === 'sendMail' ? [effect.delayMs] : []))).toEqual([
      0, 60_000, 120_000,
    ]);
    expect(
      new Set(asked.flatMap((effect) => (effect.type === 'sendMail' ? [effect.mail.id] : []))).size,
    ).toBe(1);
    const rows = simulator.rowsOf(REVIEW);
    const alarms = rows.flatMap((row) => row.effects.filter(({ type }) => type === 'raiseAlarm'));
    expect(alarms).toMatchObject([{ key: 'alarm:mail', alarm: { kind: 'mail-send-failed' } }]);
    const first = rows.findIndex((row) => row.state === 'done');
    expect(rows.slice(first).every((row) => row.state === 'done')).toBe(true);
    expect(simulator.pendingEffects(REVIEW)).toEqual([]);
  });

  test('is not retried when that cannot help', () => {
    const simulator = ended(SPEC, FAILING, noMail(false));
    expect(mails(simulator)).toHaveLength(1);
    expect(simulator.rowsOf(REVIEW).at(-1)?.type).toBe('alarm.raised');
  });
});
