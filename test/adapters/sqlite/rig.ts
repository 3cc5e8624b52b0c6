/** Shared by the tests of the SQLite store: a scratch directory, adapters, and jobs for a store. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { dispatch, type Submission } from '../../../src/engine/loop/dispatch.ts';
import type { Adapters } from '../../../src/engine/ports/adapters.ts';
import type { LogEntry, Store } from '../../../src/engine/ports/store.ts';
import { ALL_FILES } from '../../../src/machines/trigger/rules/files.ts';
import { FakeAlarms } from '../../fakes/alarms.ts';
import { nothingMissed } from '../../fakes/catch-up.ts';
import { FakeChanges } from '../../fakes/changes.ts';
import { FakeClock } from '../../fakes/clock.ts';
import { FakeEvidence } from '../../fakes/evidence.ts';
import { FakeJanitors } from '../../fakes/janitors.ts';
import { FakeMerger } from '../../fakes/merger.ts';
import { FakeProvider } from '../../fakes/provider.ts';
import { FakeReviewer } from '../../fakes/reviewer.ts';
import { FakeRunner } from '../../fakes/runner.ts';
import { FakeSource } from '../../fakes/source.ts';
import { jobSpec, PATCHSET, preparePlan, reportSpec, START } from '../../machines/facts.ts';
import { sha256 } from '../../machines/simulator.ts';

export interface Scratch {
  readonly path: string;
  remove(): void;
}

export function scratch(): Scratch {
  const path = mkdtempSync(join(tmpdir(), 'sos-ci-sqlite-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}

/** Adapters without slots, so that jobs stay queued. */
export function testAdapters(): { readonly adapters: Adapters; readonly clock: FakeClock } {
  const provider = new FakeProvider({ name: 'local', slots: 0 });
  return {
    clock: new FakeClock(),
    adapters: {
      providers: new Map([['local', provider]]),
      catchUp: nothingMissed,
      changes: new FakeChanges(),
      merger: new FakeMerger(),
      source: new FakeSource(),
      runner: new FakeRunner(),
      janitors: new FakeJanitors(),
      evidence: new FakeEvidence(),
      reviewer: new FakeReviewer(),
      alarms: new FakeAlarms(),
      mailer: null,
      activeJobs: () => [],
      hide: (text: string) => text,
    },
  };
}

/** A review and its job. */
export function submissions(number: number): readonly Submission[] {
  const [job, review] = [`j${number}`, `r${number}`];
  const jobs = [{ job, name: 'acme-dsvm', voting: true, files: ALL_FILES }];
  const trigger = `trigger-${number}`;
  return [
    {
      history: review,
      startsOn: 'review@1',
      event: {
        type: 'review.opened',
        review,
        pipeline: 'check',
        patchset: PATCHSET,
        trigger,
        jobs,
        plan: preparePlan(),
        report: reportSpec(),
      },
      settles: null,
      causationId: null,
    },
    {
      history: job,
      startsOn: 'job@1',
      event: { type: 'job.accepted', job, review, deployment: 'd', patchset: PATCHSET, spec: jobSpec() },
      settles: null,
      causationId: `${review}/1`,
    },
  ];
}

/**
 * Adds jobs to the store, each in a separate transaction; with `slots`, then gives every waiting job its slot. Resolves
 * to the number of new rows.
 */
export async function addJobs(store: Store, jobs: number, slots = false): Promise<number> {
  const options = {
    hash: sha256,
    now: () => START,
    stored: (id: string) => store.stored(id),
    wasRequested: () => false,
    strict: true,
  };
  let rows = 0;
  const put = async (submitted: readonly Submission[]) => {
    const batch: LogEntry[] = [];
    for (const submission of submitted) dispatch(batch, submission, options);
    await store.append(batch);
    rows += batch.length;
  };
  const first = jobsIn(store);
  for (let number = first; number < first + jobs; number += 1) await put(submissions(number));
  if (!slots) return rows;
  for (const { id } of store.jobs({ open: true, limit: 1_000 })) {
    const event = { type: 'slot.granted' } as const;
    await put([{ history: id, event, settles: 'slot', causationId: null }]);
  }
  return rows;
}

export function jobsIn(store: Pick<Store, 'jobs'>): number {
  return store.jobs({ limit: 100_000 }).length;
}
