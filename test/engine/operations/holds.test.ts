/** Operators' requests for holds: what they apply to, what is refused, and what the log says. */
import { afterEach, beforeEach, expect, test } from 'vitest';
import { OperatorCommands } from '../../../src/engine/operations/operator-commands.ts';
import type { OperatorAnswers, OperatorRequest, Refused } from '../../../src/engine/ports/operator-api.ts';
import { openHolds } from '../../../src/machines/hold/open-holds.ts';
import { FAILED, jobSpec } from '../../machines/facts.ts';
import { CiHarness, SUCCESSFUL_STAGE } from '../../scenarios/ci-harness.ts';
import { created, FIRST } from '../../scenarios/gerrit-events.ts';
import { violations } from '../../scenarios/violations.ts';

const HOUR_MS = 3_600_000;
const OTHER = 'other';

let ci: CiHarness;
beforeEach(async () => {
  ci = new CiHarness({
    slots: 2,
    results: FAILED,
    specs: [jobSpec({ stacking: null }), jobSpec({ name: OTHER, stacking: null })],
    stage: ({ run }) =>
      run.stage === 'testing' ? { afterMs: 60_000, outcome: { how: 'exited', code: 1 } } : SUCCESSFUL_STAGE,
  });
  await ci.start();
});
afterEach(() => ci.store.close());

function perform<R extends OperatorRequest>(request: R): Promise<OperatorAnswers[R['do']]> {
  const commands = new OperatorCommands({
    engine: ci.daemon.engine,
    store: ci.store,
    admission: ci.daemon.admission,
    clock: ci.clock,
    newId: (kind) => ci.newId(kind),
    sweep: ci.daemon.sweep,
    janitors: ci.daemon.janitors,
    findPatchset: async () => null,
    reload: async () => ({ changed: [], restart: [], problems: [] }),
    identity: { pid: 42, version: '1' },
  });
  return commands.perform(request, { who: 'alice', why: 'look at it' }) as Promise<OperatorAnswers[R['do']]>;
}

const ofChange = (change: number, name: string | null = null, durationMs = HOUR_MS) =>
  ({ do: 'hold', target: { change, name }, durationMs }) as const;
const refusal = (kind: Refused['kind'], message: string) =>
  expect.objectContaining({ name: 'Refused', kind, message: expect.stringContaining(message) });
const heldJobs = () =>
  openHolds(ci.store).map(({ held }) => (held === null ? null : `${held.change} ${held.name}`));
const allEnded = () => ci.jobs().length > 0 && ci.jobs().every(({ ended }) => ended);

test('of a change that has no job yet: the first job that fails is kept, and no other', async () => {
  const { hold, jobs } = await perform(ofChange(FIRST));
  expect(jobs).toEqual([]);
  ci.emit(created());
  await ci.run(allEnded);
  expect(heldJobs()).toHaveLength(1);
  expect(ci.provider.servers()).toHaveLength(1);
  expect(ci.store.rows(hold)[0]?.data).toMatchObject({ by: 'alice', why: 'look at it', durationMs: HOUR_MS });
  await ci.run();
  expect(violations(ci)).toEqual([]);
});

test('of a change and a name, while its jobs run', async () => {
  ci.emit(created());
  ci.emit(created(2));
  await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
  const { jobs } = await perform(ofChange(FIRST, OTHER));
  expect(jobs.map(({ change, name }) => `${change} ${name}`)).toEqual([`${FIRST} ${OTHER}`]);
  await ci.run(allEnded);
  expect(heldJobs()).toEqual([`${FIRST} ${OTHER}`]);
  await ci.run();
  expect(violations(ci)).toEqual([]);
});

test('of one job, which an operator then ends: its server is kept', async () => {
  ci.emit(created());
  await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
  const job = ci.jobs()[0]?.id ?? '';
  await perform({ do: 'hold', target: { job }, durationMs: HOUR_MS });
  await perform({ do: 'dequeue', target: { job } });
  await ci.run(allEnded);
  expect(openHolds(ci.store)[0]).toMatchObject({ phase: 'held', held: { job, verdict: 'ABORTED' } });
  await ci.run();
  expect(violations(ci)).toEqual([]);
});

test('of one job that ends without a server: the hold ends, and says why', async () => {
  ci.emit(created());
  ci.emit(created(2));
  const waiting = () => ci.jobs().find(({ state }) => state === 'queued.waiting')?.id;
  await ci.run(() => waiting() !== undefined);
  const job = waiting() ?? '';
  const { hold } = await perform({ do: 'hold', target: { job }, durationMs: HOUR_MS });
  await perform({ do: 'dequeue', target: { job } });
  await ci.run();
  expect(ci.store.stored(hold)).toMatchObject({
    ended: true,
    context: { ending: 'the job ended without a server' },
  });
});

test('of a change whose job is aborted: nothing is kept', async () => {
  await perform(ofChange(FIRST));
  ci.emit(created());
  await ci.run(() => ci.jobs().some(({ state }) => state === 'testing.running'));
  await perform({ do: 'dequeue', target: { change: FIRST, patchset: null } });
  await ci.run(allEnded);
  expect(heldJobs()).toEqual([null]);
  expect(ci.provider.servers()).toEqual([]);
});

test('what nobody can want is refused', async () => {
  await perform(ofChange(FIRST));
  await expect(perform(ofChange(FIRST))).rejects.toEqual(
    refusal('refused', 'alice has already requested this hold'),
  );
  await expect(perform(ofChange(2, 'no-such'))).rejects.toEqual(refusal('unknown', 'no job no-such'));
  await expect(perform(ofChange(2, null, 8 * 24 * HOUR_MS))).rejects.toEqual(
    refusal('refused', 'at most 7d'),
  );
  await expect(perform({ do: 'hold', target: { job: 'j9' }, durationMs: HOUR_MS })).rejects.toEqual(
    refusal('unknown', 'no job j9'),
  );
  for (let change = 10; change < 19; change += 1) await perform(ofChange(change));
  await expect(perform(ofChange(19))).rejects.toEqual(refusal('refused', 'already 10 holds'));
  await perform({ do: 'release', target: { change: 10 } });
  await perform(ofChange(19));
  await expect(perform({ do: 'release', target: { hold: 'h9' } })).rejects.toEqual(
    refusal('unknown', 'no hold h9'),
  );
});

test('a job that has ended is refused with a way to get its next server', async () => {
  ci.emit(created());
  await ci.run();
  const [job] = ci.jobs();
  await expect(
    perform({ do: 'hold', target: { job: job?.id ?? '' }, durationMs: HOUR_MS }),
  ).rejects.toMatchObject({
    kind: 'refused',
    hint: `keep the next one, and run it again: sos-ci hold ${FIRST} ${job?.name}; sos-ci recheck ${FIRST}`,
  });
});

test('a job whose server is held is refused with the id of the hold', async () => {
  const { hold } = await perform(ofChange(FIRST));
  ci.emit(created());
  await ci.run(allEnded);
  const job = openHolds(ci.store)[0]?.held?.job ?? '';
  await expect(perform({ do: 'hold', target: { job }, durationMs: HOUR_MS })).rejects.toEqual(
    refusal('refused', `the server of job ${job} is already held: ${hold}`),
  );
  await ci.run();
});

test('release deletes the server now, and the log says who and why', async () => {
  const { hold } = await perform(ofChange(FIRST));
  ci.emit(created());
  await ci.run(() => openHolds(ci.store).some(({ held }) => held?.login != null));
  const [kept] = ci.provider.servers();
  expect(await perform({ do: 'release', target: { change: FIRST } })).toEqual({
    released: [{ hold, server: kept?.server.name }],
  });
  await ci.run(allEnded);
  await ci.untilIdle();
  expect(ci.provider.servers()).toEqual([]);
  expect(ci.store.rows(hold).find(({ type }) => type === 'hold.released')?.data).toEqual({
    by: 'alice',
    why: 'look at it',
  });
});
