/** `sos-ci hold`, `release` and `holds`, and what `status`, `job` and the queue say about a held server. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  holdCommand,
  holdsCommand,
  parseHold,
  parseRelease,
  releaseCommand,
} from '../../../src/cli/commands/holds.ts';
import { jobCommand } from '../../../src/cli/commands/job.ts';
import { readQueue } from '../../../src/cli/commands/queue.ts';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import type { OperatorRequest } from '../../../src/engine/ports/operator-api.ts';
import { fakeIo } from '../../fakes/io.ts';
import { FAILED, HOLD, holdRequested } from '../../machines/facts.ts';
import { CiHarness } from '../../scenarios/ci-harness.ts';
import { created, FIRST } from '../../scenarios/gerrit-events.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';
import { expectToFit } from '../widths.ts';

type Hold = Extract<OperatorRequest, { do: 'hold' }>;
type Release = Extract<OperatorRequest, { do: 'release' }>;
const HOUR_MS = 3_600_000;

let ci: CiHarness;
beforeEach(async () => {
  ci = new CiHarness({ results: FAILED });
  await ci.start();
  await ci.daemon.engine.submit(
    [{ ...holdRequested({ change: FIRST, name: null }), hold: HOLD } as const].map((event) => ({
      history: HOLD,
      startsOn: 'hold@1',
      event,
      settles: null,
      causationId: null,
    })),
  );
});
afterEach(() => ci.store.close());

const io = () => fakeIo({ now: () => ci.clock.now(), alive: () => true });

async function hold(): Promise<void> {
  ci.emit(created());
  await ci.run(() => ci.jobs().length === 1 && ci.jobs().every(({ ended }) => ended));
  await ci.untilIdle();
}

test('a hold that waits, and one that has a server', async () => {
  const [waiting, held, absolute] = [io(), io(), io()];
  holdsCommand(waiting, ci.store, {});
  await hold();
  holdsCommand(held, ci.store, {});
  holdsCommand(absolute, ci.store, { utc: true });
  const all = [waiting, held, absolute].map((one) => one.stdout()).join('----\n');
  await expect(all).toMatchFileSnapshot('../../golden/holds.txt');
});

test('the list fits every terminal, except the line that is copied', async () => {
  await hold();
  const { now, alive } = io();
  const isLogin = (line: string) => /^(ssh|cd) /.test(line);
  await expectToFit('holds', { now, alive }, (each) => holdsCommand(each, ci.store, {}), isLogin);
});

test('as JSON', async () => {
  await hold();
  const json = io();
  holdsCommand(json, ci.store, { json: true });
  await expect(json.stdout()).toMatchFileSnapshot('../../golden/holds.json');
});

test('without a hold', async () => {
  await ci.daemon.engine.send(HOLD, { type: 'hold.released', by: 'alice', why: '' });
  const none = io();
  expect(holdsCommand(none, ci.store, {})).toBe(0);
  expect(none.stdout()).toBe('no holds\n');
});

test('status, the job and the queue name the hold', async () => {
  await hold();
  const [job] = ci.jobs();
  ci.emit(created(2));
  await ci.run(() => ci.jobs().some(({ state }) => state === 'queued.waiting'));
  const [status, story] = [io(), io()];
  await statusCommand(status, ci.store, {});
  const line =
    /^holds {5}hold-1 .* of 912345,1 acme-dsvm \(FAILURE\), for alice, ends in 12h .*\n.*sos-ci holds$/m;
  expect(status.stdout()).toMatch(line);
  jobCommand(story, ci.store, job?.id ?? '', {});
  expect(story.stdout()).toMatch(/^ {2}server {4}held: hold-1 /m);
  expect(readQueue(io(), ci.store)[0]?.why).toBe('local is full: 1 slot, 1 held server (sos-ci holds)');
});

describe('hold', () => {
  const target = { change: 912345, name: null };
  const entry = { id: 'j1', name: 'acme-dsvm', state: 'testing.running', change: 912345, patchset: 3 };

  test('sends the request and prints how to go on', async () => {
    const [out, daemon] = [io(), fakeDaemon<Hold>({ hold: 'h1', jobs: [entry] })];
    await holdCommand(out, daemon.send, { target, durationMs: 12 * HOUR_MS }, OPTIONS);
    expect(daemon.requests).toEqual([{ do: 'hold', target, durationMs: 12 * HOUR_MS }]);
    expect(out.stdout()).toBe(
      'for 12h, hold h1 keeps the server of the next job of 912345 that fails\n' +
        'it applies to 1 open job now\nthe ssh command, once the server is kept: sos-ci holds\n',
    );
  });

  test.each([
    [['912345'], { change: 912345, name: null }],
    [['912345', 'acme-dsvm'], { change: 912345, name: 'acme-dsvm' }],
    [['j0'], { job: 'j00002' }],
  ])('accepts %j', async ([what = '', name], expected) => {
    await hold();
    expect(parseHold(what, name, ci.store)).toEqual(expected);
  });

  test.each([[['912345,1']], [['j0', 'acme-dsvm']], [['nothing']]])(
    'rejects %j',
    async ([what = '', name]) => {
      await hold();
      expect(() => parseHold(what, name, ci.store)).toThrow(expect.objectContaining({ exitCode: 2 }));
    },
  );
});

describe('release', () => {
  test('prints what is deleted', async () => {
    const answer = { released: [{ hold: 'h1', server: 'sos-ci-j1-1' }] };
    const [out, daemon] = [io(), fakeDaemon<Release>(answer)];
    await releaseCommand(out, daemon.send, { hold: 'h1' }, OPTIONS);
    expect(daemon.requests).toEqual([{ do: 'release', target: { hold: 'h1' } }]);
    expect(out.stdout()).toBe('hold h1 is released; server sos-ci-j1-1 is being deleted\n');
  });

  test('finds a hold by its change, its first characters, or its job', async () => {
    await hold();
    expect(parseRelease('912345', ci.store)).toEqual({ change: 912345 });
    expect(parseRelease('ho', ci.store)).toEqual({ hold: HOLD });
    expect(parseRelease(ci.jobs()[0]?.id ?? '', ci.store)).toEqual({ hold: HOLD });
    expect(() => parseRelease('h9', ci.store)).toThrow(expect.objectContaining({ exitCode: 2 }));
  });
});
