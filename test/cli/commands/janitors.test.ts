/** `sos-ci clean` and `janitors`, and what `status` and the queue say about a janitor at work. */
import { expect, test } from 'vitest';
import { cleanCommand, janitorsCommand } from '../../../src/cli/commands/janitors.ts';
import { readQueue } from '../../../src/cli/commands/queue.ts';
import { statusCommand } from '../../../src/cli/commands/status.ts';
import { fakeIo } from '../../fakes/io.ts';
import { janitorSpec, jobSpec } from '../../machines/facts.ts';
import { CiHarness, type StagePlan } from '../../scenarios/ci-harness.ts';
import { created } from '../../scenarios/gerrit-events.ts';
import { fakeDaemon, OPTIONS } from '../operator-commands.ts';
import { expectToFit } from '../widths.ts';

const FAILS: StagePlan = { afterMs: 60_000, outcome: { how: 'exited', code: 3 } };
const VIEW = { name: 'array1', backends: ['array1'], idleMs: 600_000, schedule: '0 4 * * *', above: 500 };

async function startCi(cleans: () => StagePlan | null): Promise<CiHarness> {
  const ci = new CiHarness({
    backends: { array1: 1 },
    specs: [jobSpec({ backends: ['array1'] })],
    definitions: [{ view: VIEW, spec: janitorSpec({ attempts: 1 }), nextTime: () => null, threshold: null }],
    cleans,
  });
  await ci.start();
  return ci;
}

const ioOf = (ci: CiHarness) => fakeIo({ now: () => ci.clock.now(), alive: () => true });

async function shown(ci: CiHarness): Promise<string> {
  const io = ioOf(ci);
  await janitorsCommand(io, ci.store, {});
  return io.stdout();
}

test('the list: before the first cleaning, waiting, at work, and after a failure', async () => {
  const ci = await startCi(() => FAILS);
  const all = [await shown(ci)];
  ci.emit(created());
  await ci.untilIdle();
  await ci.daemon.janitors.clean('array1', { who: 'alice', why: 'the pool is full' });
  await ci.untilIdle();
  all.push(await shown(ci));
  await ci.run(() => ci.janitors.started > 0);
  await ci.untilIdle();
  all.push(await shown(ci));
  await ci.run();
  all.push(await shown(ci));
  await expect(all.join('----\n')).toMatchFileSnapshot('../../golden/janitors.txt');
  const { now, alive } = ioOf(ci);
  await expectToFit('janitors', { now, alive }, (io) => janitorsCommand(io, ci.store, {}));
  const [json, status] = [ioOf(ci), ioOf(ci)];
  await janitorsCommand(json, ci.store, { json: true });
  await expect(json.stdout()).toMatchFileSnapshot('../../golden/janitors.json');
  await statusCommand(status, ci.store, {});
  expect(status.stdout()).toContain('\njanitors  array1 failed in 1m 00s, ');
});

test('a job that waits for a janitor says so', async () => {
  const ci = await startCi(() => null);
  await ci.daemon.janitors.clean('array1', { who: 'alice', why: '' });
  ci.emit(created());
  await ci.untilIdle();
  expect(readQueue(ioOf(ci), ci.store).map(({ why }) => why)).toEqual(['janitor array1 has back end array1']);
});

test('without janitors', async () => {
  const ci = new CiHarness();
  await ci.start();
  expect(await shown(ci)).toBe('no janitors\n');
});

test('clean names the history', async () => {
  const io = fakeIo();
  const { send, requests } = fakeDaemon({ cleaning: 'c1kf', backends: ['array1', 'switch1'] });
  expect(await cleanCommand(io, send, 'array1', OPTIONS)).toBe(0);
  expect(requests).toEqual([{ do: 'clean', janitor: 'array1' }]);
  expect(io.stdout()).toBe(
    'janitor array1 cleans as soon as no job uses array1, switch1\nwhat it does: sos-ci janitors; sos-ci history c1kf\n',
  );
});
