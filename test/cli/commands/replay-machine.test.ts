import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { analyse, analysisOf } from '../../../src/cli/commands/analyse.ts';
import { fakeIo } from '../../fakes/io.ts';
import { withJobTwo } from '../../fixtures/job-two.ts';
import { recordedSource } from '../recorded-source.ts';

const source = recordedSource('success');

async function replay(machine: string, options: { json?: boolean; until?: string } = {}, history = 'job-1') {
  const io = fakeIo();
  const all = { machine, ...options };
  expect(analysisOf(all)).toBe('machine');
  return { exit: await analyse(io, 'machine', source, history, all), text: io.stdout() };
}

describe('on another version', () => {
  let remove: () => void;
  beforeEach(() => {
    remove = withJobTwo();
  });
  afterEach(() => remove());

  test('shows each row that would change, with both values', async () => {
    const { exit, text } = await replay('job@2');
    expect(exit).toBe(1);
    await expect(text).toMatchFileSnapshot('../../golden/replay-machine.txt');
  });

  test('as JSON', async () => {
    const { exit, text } = await replay('job@2', { json: true });
    expect(exit).toBe(1);
    const { differences, ...head } = JSON.parse(text);
    expect(head).toMatchObject({ format: 1, history: 'job-1', from: 'job@1', to: 'job@2' });
    expect(differences[0]).toEqual({
      version: 1,
      type: 'job.accepted',
      field: 'state',
      stored: 'queued.preparing',
      computed: 'pending.preparing',
    });
    // job@2 waits before its cleanup: an effect that job@1 does not request.
    expect(differences).toContainEqual(
      expect.objectContaining({
        type: 'verdict.accepted',
        field: 'effects',
        computed: expect.arrayContaining([expect.objectContaining({ key: 'retry:cooling' })]),
      }),
    );
  });
});

test('on its own version nothing changes', async () => {
  expect(await replay('job@1')).toEqual({
    exit: 0,
    text: expect.stringMatching(/^job-1: \d+ rows of job@1 on job@1: nothing would change\n$/),
  });
});

test.each([
  ['job@2', 'job-1', 'one of: job@1'],
  ['review@1', 'job-1', 'one of: job@1'],
  ['job@1', 'review-1', 'one of: review@1'],
])('on %s of %s is an error', async (machine, history, hint) => {
  await expect(replay(machine, {}, history)).rejects.toMatchObject({ hint });
});
