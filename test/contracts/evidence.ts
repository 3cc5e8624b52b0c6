/**
 * The contract of Evidence, for any storage. A rig is one host with its log server: it writes files as a job leaves them,
 * restarts the tested adapter, and reads published files.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Evidence } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Patchset, Server } from '../../src/machines/model/domain.ts';
import type { KeyedEffect } from '../../src/machines/protocol/effects.ts';

export type CollectRequest = Extract<KeyedEffect, { type: 'collectEvidence' }>;
export type PublishRequest = Extract<KeyedEffect, { type: 'publishEvidence' }>;

export interface EvidenceRig {
  readonly server: Server;
  /** The tested adapter, as a newly started daemon has it. */
  start(): Evidence;
  writeStageLog(job: string, attempt: number, stage: 'stacking' | 'testing', text: string): Promise<void>;
  writeTreeFile(job: string, path: string, text: string): Promise<void>;
  /** A published file, by the URL that publish returned and its path; null if it does not exist. */
  read(url: string, path: string): Promise<string | null>;
  close(): Promise<void>;
}

export const JOB = '01jabcdefghjkmnpqrstvwxyz0';

const PATCHSET: Patchset = {
  project: 'openstack/cinder',
  branch: 'master',
  change: 912345,
  patchset: 3,
  revision: 'a'.repeat(40),
  ref: 'refs/changes/45/912345/3',
  subject: 'Retry the attach',
  owner: 'dev',
  url: 'https://review.example.org/c/912345',
  topic: '',
};

export function collectRequest(change: Partial<CollectRequest> = {}): CollectRequest {
  return {
    type: 'collectEvidence',
    key: 'collectEvidence:1',
    owner: { deployment: 'd1', job: JOB, attempt: 1 },
    server: null,
    patchset: PATCHSET,
    name: 'acme-dsvm',
    pipeline: 'check',
    logs: [],
    limitBytes: 1_000_000_000,
    limitFiles: 20_000,
    timeoutMs: 60_000,
    ...change,
  };
}

export function publishRequest(change: Partial<PublishRequest> = {}): PublishRequest {
  return {
    type: 'publishEvidence',
    key: 'publishEvidence:1',
    owner: { deployment: 'd1', job: JOB, attempt: 1 },
    patchset: PATCHSET,
    name: 'acme-dsvm',
    pipeline: 'check',
    verdict: 'FAILURE',
    reason: '1 of 20 tests failed',
    results: null,
    trees: [],
    dependencies: [],
    siblings: [],
    environment: null,
    timeoutMs: 60_000,
    ...change,
  };
}

/** Declares the suite. */
export function evidenceContract(name: string, make: () => Promise<EvidenceRig>): void {
  describe(`Evidence: ${name}`, () => {
    let rig: EvidenceRig;
    const { signal } = new AbortController();
    beforeEach(async () => {
      rig = await make();
    });
    afterEach(() => rig.close());

    test('returns the last line of a stage, and null for an unknown one', async () => {
      await rig.writeStageLog(JOB, 1, 'stacking', 'one\nE: no such package\n');
      const evidence = rig.start();
      expect(await evidence.lastLine({ job: JOB, attempt: 1 }, 'stacking')).toBe('E: no such package');
      expect(await evidence.lastLine({ job: JOB, attempt: 1 }, 'testing')).toBeNull();
      expect(await evidence.lastLine({ job: JOB, attempt: 2 }, 'stacking')).toBeNull();
    });

    async function writeOneOfEach(): Promise<void> {
      await rig.writeStageLog(JOB, 1, 'testing', 'not ok 1\n');
      await rig.writeTreeFile(JOB, 'logs/a.txt', 'a\n');
      await rig.writeTreeFile(JOB, 'elsewhere/b.txt', 'b\n');
    }

    test('publishes the logs of the stages and the named paths, and nothing else', async () => {
      await writeOneOfEach();
      const evidence = rig.start();
      const collected = await evidence.collect(
        collectRequest({ server: rig.server, logs: ['logs'] }),
        signal,
      );
      const url = await evidence.publish(publishRequest(), signal);
      expect(collected).toEqual({ files: 2, bytes: 11, skipped: 0, url });
      expect(url.endsWith('/45/912345/3/check/acme-dsvm/01jabcdefghj/')).toBe(true);
      expect(await rig.read(url, 'attempt-1/testing.log')).toBe('not ok 1\n');
      expect(await rig.read(url, 'worktree/logs/a.txt')).toBe('a\n');
      expect(await rig.read(url, 'worktree/elsewhere/b.txt')).toBeNull();
    });

    test('collects the files on this host if there is no server', async () => {
      await writeOneOfEach();
      const collected = await rig.start().collect(collectRequest({ logs: ['logs'] }), signal);
      expect(collected).toMatchObject({ files: 1, bytes: 9, skipped: 0 });
    });

    test('publishes a page for a job without files', async () => {
      const evidence = rig.start();
      expect((await evidence.collect(collectRequest(), signal)).files).toBe(0);
      expect(await evidence.publish(publishRequest(), signal)).toContain('/912345/3/');
    });

    test('collects from the start when it is called again, also after a restart', async () => {
      await rig.writeStageLog(JOB, 1, 'testing', 'half');
      await rig.start().collect(collectRequest(), signal);
      await rig.writeStageLog(JOB, 1, 'testing', 'half and whole');
      const evidence = rig.start();
      await evidence.collect(collectRequest(), signal);
      const url = await evidence.publish(publishRequest(), signal);
      expect(await rig.read(url, 'attempt-1/testing.log')).toBe('half and whole');
    });

    test('finds published evidence after a restart and after discard', async () => {
      await rig.writeStageLog(JOB, 1, 'testing', 'first');
      const evidence = rig.start();
      await evidence.collect(collectRequest(), signal);
      const url = await evidence.publish(publishRequest(), signal);
      await rig.writeStageLog(JOB, 1, 'testing', 'second');
      await evidence.collect(collectRequest(), signal);
      expect(await evidence.publish(publishRequest(), signal)).toBe(url);
      const restarted = rig.start();
      expect(await restarted.publish(publishRequest(), signal)).toBe(url);
      await restarted.discard(JOB, 'all');
      expect(await restarted.publish(publishRequest(), signal)).toBe(url);
      expect(await rig.read(url, 'attempt-1/testing.log')).toBe('first');
    });

    test('rejects publishing uncollected evidence permanently', async () => {
      const failure = await failureOf(rig.start().publish(publishRequest(), signal));
      expect(failure.retryable).toBe(false);
    });

    test('discards collected files, and discarding them again is not an error', async () => {
      await writeOneOfEach();
      const evidence = rig.start();
      await evidence.collect(collectRequest(), signal);
      await evidence.discard(JOB, 'all');
      await evidence.discard(JOB, 'all');
      await evidence.discard('01jneverheardofthis', 'all');
      await failureOf(evidence.publish(publishRequest(), signal));
      expect((await evidence.collect(collectRequest(), signal)).files).toBe(0);
    });

    test('lists the jobs for which it holds files, also after a restart', async () => {
      const other = `${JOB.slice(0, -1)}9`;
      const evidence = rig.start();
      expect(await evidence.held()).toEqual([]);
      await rig.writeStageLog(JOB, 1, 'testing', 'one');
      expect(await evidence.held()).toEqual([JOB]);
      await evidence.collect(collectRequest(), signal);
      await evidence.collect(collectRequest({ owner: { deployment: 'd1', job: other, attempt: 1 } }), signal);
      await evidence.publish(publishRequest(), signal);
      expect(await rig.start().held()).toEqual([JOB, other]);
      await evidence.discard(JOB, 'all');
      expect(await evidence.held()).toEqual([other]);
      await evidence.discard(other, 'all');
      expect(await evidence.held()).toEqual([]);
    });

    test('stops on abort, and works when it is called again', async () => {
      await writeOneOfEach();
      const evidence = rig.start();
      expect((await failureOf(evidence.collect(collectRequest(), AbortSignal.abort()))).retryable).toBe(true);
      await evidence.collect(collectRequest(), signal);
      expect((await failureOf(evidence.publish(publishRequest(), AbortSignal.abort()))).retryable).toBe(true);
      const url = await evidence.publish(publishRequest(), signal);
      expect(await rig.read(url, 'attempt-1/testing.log')).toBe('not ok 1\n');
    });

    test('separates jobs whose ids have the same beginning', async () => {
      const other = `${JOB.slice(0, -1)}9`;
      await rig.writeStageLog(JOB, 1, 'testing', 'one');
      await rig.writeStageLog(other, 1, 'testing', 'other');
      const evidence = rig.start();
      const owner = { deployment: 'd1', job: other, attempt: 1 };
      await evidence.collect(collectRequest(), signal);
      await evidence.collect(collectRequest({ owner }), signal);
      const one = await evidence.publish(publishRequest(), signal);
      const two = await evidence.publish(publishRequest({ owner }), signal);
      expect(two).not.toBe(one);
      expect(await rig.read(one, 'attempt-1/testing.log')).toBe('one');
      expect(await rig.read(two, 'attempt-1/testing.log')).toBe('other');
      expect(await rig.start().publish(publishRequest({ owner }), signal)).toBe(two);
    });
  });
}

/** The OperationError that the call rejects with. */
export async function failureOf(call: Promise<unknown>): Promise<OperationError> {
  const outcome: unknown = await call.then(
    (value) => ({ resolved: value }),
    (error: unknown) => error,
  );
  if (outcome instanceof OperationError) return outcome;
  throw new Error(`expected an OperationError, got ${String(outcome)}`, { cause: outcome });
}
