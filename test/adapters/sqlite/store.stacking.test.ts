/** Stacking times from the rows of jobs. */
import { expect, test } from 'vitest';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { dispatch } from '../../../src/engine/loop/dispatch.ts';
import type { LogEntry } from '../../../src/engine/ports/store.ts';
import type { StageEnd } from '../../../src/machines/model/domain.ts';
import type { StageFacts } from '../../../src/machines/model/environment.ts';
import type { AnyEvent } from '../../../src/machines/protocol/events.ts';
import { FACTS, START, server, TREE } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';
import { submissions } from './rig.ts';

test('are those of successful stackings, each from its own start', async () => {
  const store = openStore(':memory:');
  let now = START;
  const put = async (...submitted: ReturnType<typeof submissions>) => {
    const batch: LogEntry[] = [];
    const stored = (id: string) => store.stored(id);
    const options = { hash: sha256, now: () => now, stored, wasRequested: () => false, strict: true };
    for (const submission of submitted) dispatch(batch, submission, options);
    await store.append(batch);
  };
  const send = (history: string, event: AnyEvent, settles: string | null = null) =>
    put({ history, event, settles, causationId: null });
  const timer = (history: string, key: string) => send(history, { type: 'timer.fired', timer: key }, key);

  /** One attempt, which takes `ms` from the first start of its stacking. */
  async function attempt(job: string, number: number, ms: number, end: StageEnd, facts?: StageFacts) {
    const stage = 'stacking';
    const active = { type: 'server.active', server: server(number), adopted: false, facts: FACTS } as const;
    await send(job, active, `createServer:${number}`);
    await send(job, { type: 'patchset.fetched', revision: TREE.revision }, `fetchPatchset:${number}`);
    now += 60_000;
    await send(job, { type: 'stage.started', stage, pid: 7, adopted: false });
    now += ms / 2;
    await send(job, { type: 'stage.started', stage, pid: 7, adopted: true });
    now += ms / 2;
    const exited = { type: 'stage.exited', stage, end, ...(facts === undefined ? {} : { facts }) } as const;
    await send(job, exited, `runStage:stacking:${number}`);
  }
  async function begin(number: number) {
    await put(...submissions(number));
    await send(`j${number}`, { type: 'job.ready', trees: [TREE] });
    await send(`j${number}`, { type: 'slot.granted' }, 'slot');
    return `j${number}`;
  }

  const good: StageEnd = { how: 'exited', code: 0 };
  await attempt(await begin(0), 1, 1_000_000, good);
  const second = await begin(1);
  await attempt(second, 1, 10_000, { how: 'exited', code: 1 });
  await send(second, { type: 'server.deleted', deleted: 1 }, 'deleteServer:1');
  await timer(second, 'retry:booting:1');
  await attempt(second, 2, 800_000, good, { proxy: true, preseed: false });
  const since = now;
  await attempt(await begin(2), 1, 600_000, good, { proxy: false, preseed: true });

  const of = { job: 'acme-dsvm', provider: 'local' };
  const last = { ...of, ms: 600_000, proxy: false, preseed: true };
  expect(store.stackTimes(0)).toEqual([
    { ...of, ms: 1_000_000, proxy: false, preseed: false },
    { ...of, ms: 800_000, proxy: true, preseed: false },
    last,
  ]);
  expect(store.stackTimes(since + 1)).toEqual([last]);
  store.close();
});
