import { describe, expect, test } from 'vitest';
import { analyse, analysisOf } from '../../../src/cli/commands/analyse.ts';
import { SETTLED_BY } from '../../../src/machines/protocol/settles.ts';
import { fakeIo } from '../../fakes/io.ts';
import { recorded, rowsOf } from '../../machines/recorded.ts';
import { recordedSource } from '../recorded-source.ts';

const source = recordedSource('success');

async function whatIf(event: string, options: { until?: string; json?: boolean } = {}, history = 'job-1') {
  const io = fakeIo();
  const all = { whatIf: event, ...options };
  expect(analysisOf(all)).toBe('whatIf');
  return { exit: await analyse(io, 'whatIf', source, history, all), text: io.stdout() };
}

const exited = (code: number) =>
  JSON.stringify({ type: 'stage.exited', stage: 'testing', end: { how: 'exited', code } });

describe('what if', () => {
  test('the tests of a job that succeeded had ended with 1', async () => {
    const { exit, text } = await whatIf(exited(1), { until: 'testing' });
    expect(exit).toBe(0);
    await expect(text).toMatchFileSnapshot('../../golden/what-if.txt');
  });

  test('as JSON', async () => {
    const cancelled = '{"type": "job.cancelled", "reason": "x"}';
    const { text } = await whatIf(cancelled, { until: 'testing', json: true });
    expect(JSON.parse(text)).toMatchObject({
      format: 1,
      history: 'job-1',
      machine: 'job@1',
      event: { type: 'job.cancelled', reason: 'x' },
      settles: null,
      outcome: 'moved',
      before: 'testing.running',
      after: expect.stringMatching(/^cleanup\./),
      changes: expect.arrayContaining([{ path: 'verdict', before: null, after: 'ABORTED' }]),
    });
  });

  test('the name of an event without fields is enough, and settles the effect that waits for it', async () => {
    const { text } = await whatIf('slot.granted', { until: 'queued.waiting', json: true });
    expect(JSON.parse(text)).toMatchObject({ settles: 'slot', after: 'booting.creating' });
  });

  test('an answer that nothing waits for comes late, and changes nothing', async () => {
    const event = JSON.stringify({ ...JSON.parse(exited(0)), settles: 'runStage:testing:7' });
    const { exit, text } = await whatIf(event, { until: 'testing' });
    expect(exit).toBe(1);
    expect(text).toContain('testing.running (late: nothing changes)');
  });
});

describe('an error names what to write', () => {
  const taken = /^in testing\.running, job@1 takes: .*stage\.exited.*timer\.fired/;

  test.each([
    ['stage.exploded', 2, /there is no event "stage\.exploded"/, taken],
    ['{"type": 1}', 2, /there is no event 1/, taken],
    ['{"typ', 2, /^not JSON: /, taken],
    ['slot.granted', 1, /^job@1 ignores slot\.granted in testing\.running$/, taken],
    ['stage.exited', 2, /^stage\.exited: stage: .*; end: /, /'\{"type": "stage\.exited", \.\.\.\}'/],
    [exited(1).replace('"code":1', '"code":"1"'), 2, /^stage\.exited: end/, /write it as JSON/],
    [exited(1).replace('}}', '},"more":1}'), 2, /^stage\.exited: .*more/, /write it as JSON/],
  ])('%s', async (event, exitCode, message, hint) => {
    await expect(whatIf(event, { until: 'testing' })).rejects.toMatchObject({
      exitCode,
      message: expect.stringMatching(message),
      hint: expect.stringMatching(hint),
    });
  });
});

test('the recorded histories settle effects only by the events of the table', () => {
  const missing = new Set<string>();
  let settled = 0;
  for (const file of recorded) {
    const effects = new Map<string, keyof typeof SETTLED_BY>();
    for (const row of rowsOf(file)) {
      for (const effect of row.effects)
        if (effect.type !== 'sendEvent' && effect.type !== 'cancelEffect')
          effects.set(`${row.history} ${effect.key}`, effect.type);
      const effect = effects.get(`${row.history} ${row.settles}`);
      if (effect === undefined) continue;
      settled += 1;
      if (!SETTLED_BY[effect].includes(row.type)) missing.add(`${effect}: ${row.type}`);
    }
  }
  expect(settled).toBeGreaterThan(500);
  expect([...missing]).toEqual([]);
});
