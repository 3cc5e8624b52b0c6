/** The rows of one job that failed on its second attempt, with hostile text in them. */
import type { NumberedRow } from '../../src/engine/ports/store.ts';
import type { Failure, JobSpec, Patchset, Server } from '../../src/machines/model/domain.ts';
import type { Effect } from '../../src/machines/protocol/effects.ts';
import type { AnyEvent } from '../../src/machines/protocol/events.ts';
import type { Outcome } from '../../src/machines/protocol/row.ts';

export const START = Date.parse('2026-11-22T17:00:00Z');
export const FAILED = '01kfa7xw2m6v9ncd3t5jrh8b4e';
export const HOSTILE = 'Speed up \u001b[31mattach\u001b[0m\r\n- fake : SUCCESS \u202egnp';

export const patchset: Patchset = {
  project: 'openstack/cinder',
  branch: 'stable/2026.1',
  change: 912345,
  patchset: 3,
  revision: '6f1d0c9b8a7e5f4d3c2b1a09f8e7d6c5b4a39281',
  ref: 'refs/changes/45/912345/3',
  subject: HOSTILE,
  owner: 'jgriffith',
  url: 'https://review.example.org/c/openstack/cinder/+/912345',
  topic: '',
};
const limits = { setupAttempts: 2, bootTimeoutMs: 900_000, queueTimeoutMs: 86_400_000 } as JobSpec['limits'];
const spec: JobSpec = {
  name: 'acme-dsvm',
  pipeline: 'check',
  voting: true,
  provider: 'local',
  files: { include: [], exclude: [] },
  stacking: { argv: ['./stack.sh'], timeoutMs: 3_600_000, outputLimitBytes: 1 },
  testing: { argv: ['./run-tests.sh', '--all'], timeoutMs: 10_800_000, outputLimitBytes: 1 },
  exitCodeIsResult: false,
  results: { format: 'tap', file: 'results.tap' },
  logs: ['logs'],
  headStartMs: 0,
  limits,
};
const server = (attempt: number): Server => ({
  id: `s${attempt}`,
  name: `sos-${FAILED.slice(0, 12)}-${attempt}`,
  address: '/state/servers/x',
  provider: 'local',
});
const owner = (attempt: number) => ({ deployment: 'd', job: FAILED, attempt });
const run = (attempt: number, stage: 'stacking' | 'testing') => ({
  server: server(attempt),
  owner: owner(attempt),
  stage,
});
const failure: Failure = {
  operation: 'fetch patchset',
  target: 'review.example.org',
  message: 'connection reset',
  retryable: true,
  hint: 'try: git ls-remote \u001b]0;x\u0007',
};

let rows: NumberedRow[] = [];

function row(
  seconds: number,
  state: string,
  event: AnyEvent,
  effects: readonly Effect[] = [],
  more: { outcome?: Outcome; settles?: string } = {},
): void {
  const { type, ...data } = event;
  rows.push({
    seq: rows.length + 11,
    history: FAILED,
    version: rows.length + 1,
    type,
    eventVersion: 1,
    at: START + seconds * 1000,
    data,
    settles: more.settles ?? null,
    causationId: null,
    outcome: more.outcome ?? 'moved',
    machine: 'job@1',
    state,
    stateHash: 'x',
    effects,
    hash: 'y',
  });
}

export const timer = (key: string, minutes: number): Effect => ({
  type: 'setTimer',
  key,
  dueAt: START + minutes * 60_000,
  delayMs: minutes * 60_000,
});
const create = (attempt: number): Effect => ({
  type: 'createServer',
  key: `createServer:${attempt}`,
  provider: 'local',
  name: server(attempt).name,
  owner: owner(attempt),
  timeoutMs: 900_000,
});
export const stage = (attempt: number, name: 'stacking' | 'testing', argv: readonly string[]): Effect => ({
  type: 'runStage',
  key: `runStage:${name}:${attempt}`,
  run: run(attempt, name),
  spec: { argv, timeoutMs: 3_600_000, outputLimitBytes: 1 },
  patchset,
  name: 'acme-dsvm',
});
const tree = {
  project: patchset.project,
  branch: patchset.branch,
  base: '0b5e3f9a7c1d2e4f60718293a4b5c6d7e8f90123',
  revision: '7c4d2e1f0a9b8c7d6e5f4a3b2c1d0e9f8a7b6c5d',
};
const acquire: Effect = {
  type: 'acquireSlot',
  key: 'slot',
  provider: 'local',
  name: 'acme-dsvm',
  project: patchset.project,
  headStartMs: 0,
  promoted: false,
};
const fetchIt = (attempt: number): Effect => ({
  type: 'fetchPatchset',
  key: `fetchPatchset:${attempt}`,
  server: server(attempt),
  patchset,
  trees: [],
  timeoutMs: 600_000,
});
const remove = (number: number): Effect => ({
  type: 'deleteServer',
  key: `deleteServer:${number}`,
  provider: 'local',
  owner: owner(number),
  timeoutMs: 300_000,
});

export function story(): readonly NumberedRow[] {
  rows = [];
  row(0, 'queued', { type: 'job.accepted', job: FAILED, review: 'r1', deployment: 'd', patchset, spec }, [
    timer('deadline:queued', 1440),
  ]);
  row(0, 'queued.waiting', { type: 'job.ready', trees: [tree] }, [acquire]);
  row(2.4, 'booting.creating', { type: 'slot.granted' }, [
    { type: 'cancelEffect', key: 'slot' },
    { type: 'cancelEffect', key: 'deadline:queued' },
    create(1),
    timer('deadline:booting:1', 15),
  ]);
  row(33, 'stacking.fetching', { type: 'server.active', server: server(1), adopted: false }, [fetchIt(1)]);
  row(93, 'booting.cleaningUp', { type: 'patchset.fetch-failed', failure }, [remove(1)]);
  row(94, 'booting.backoff', { type: 'server.deleted', deleted: 1 }, [timer('retry:booting:1', 0.5)]);
  row(124, 'booting.creating', { type: 'timer.fired', timer: 'retry:booting:1' }, [create(2)]);
  row(150, 'stacking.fetching', { type: 'server.active', server: server(2), adopted: false }, [fetchIt(2)]);
  row(155, 'stacking.running', { type: 'patchset.fetched', revision: patchset.revision }, [
    stage(2, 'stacking', ['./stack.sh']),
    timer('deadline:stacking:2', 60),
  ]);
  row(156, 'stacking.running', { type: 'stage.started', stage: 'stacking', pid: 4242, adopted: false });
  row(700, 'stacking.running', { type: 'stage.started', stage: 'stacking', pid: 4242, adopted: true });
  row(1395, 'testing.running', { type: 'stage.exited', stage: 'stacking', end: { how: 'exited', code: 0 } }, [
    stage(2, 'testing', ['./run-tests.sh', '--all']),
  ]);
  row(1396, 'testing.running', { type: 'server.active', server: server(1), adopted: false }, [], {
    outcome: 'late',
  });
  row(
    3600,
    'testing.readingResults',
    { type: 'stage.exited', stage: 'testing', end: { how: 'exited', code: 1 } },
    [
      {
        type: 'readResults',
        key: 'readResults',
        server: server(2),
        results: { format: 'tap', file: 'results.tap' },
        timeoutMs: 60_000,
      },
    ],
  );
  row(3601, 'publishing.collecting', {
    type: 'results.read',
    results: { passed: 29, failed: 2, skipped: 3, failures: ['test_attach', 'test_evil \u001b[2J'] },
  });
  row(3610, 'publishing.uploading', {
    type: 'evidence.collected',
    url: 'https://logs.example.org/',
    files: 212,
    bytes: 15_000_000,
    skipped: 1,
  });
  row(
    3620,
    'reporting',
    { type: 'evidence.published', url: 'https://logs.example.org/45/912345/3/check/acme-dsvm/01kfa7xw2m6v/' },
    [
      {
        type: 'sendEvent',
        to: 'r1',
        event: {
          type: 'job.reported',
          report: {
            job: FAILED,
            name: 'acme-dsvm',
            voting: true,
            verdict: 'FAILURE',
            reason: '2 of 31 tests failed',
            lastLine: null,
            evidence: 'none',
            url: null,
            durationMs: 1,
            results: null,
          },
        },
      },
    ],
  );
  row(3620.2, 'cleanup.deleting', { type: 'verdict.accepted' }, [remove(2)]);
  row(3625, 'cleanup.discarding', { type: 'server.deleted', deleted: 1 }, [
    { type: 'discardEvidence', key: 'discardEvidence:1', job: FAILED, part: 'all', timeoutMs: 300_000 },
  ]);
  row(3626, 'done', { type: 'evidence.discarded' });
  return rows;
}
