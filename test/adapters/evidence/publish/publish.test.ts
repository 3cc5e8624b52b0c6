/**
 * A crash at any point of a collection or publication, and damage afterwards: the next call produces the same result as
 * an uninterrupted one, and touches nothing of another job. The test stops the work before each of its steps in turn.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import {
  type CollectRequest,
  collectRequest,
  failureOf,
  JOB,
  publishRequest,
} from '../../../contracts/evidence.ts';
import { EXHAUSTIVE } from '../../../fixtures/effort.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { type LocalRig, makeRig, writeAt } from '../../logs/rig.ts';

const signal = NEVER;
const SHORT = JOB.slice(0, 12);

class Killed extends Error {}

/** Throws before the step after `steps` steps. */
function killAfter(steps: number): { beforeStep: (step: string) => void; log: string[] } {
  const log: string[] = [];
  return {
    log,
    beforeStep: (step) => {
      log.push(step);
      if (log.length > steps) throw new Killed(step);
    },
  };
}

async function wasKilled(call: Promise<unknown>): Promise<boolean> {
  try {
    await call;
    return false;
  } catch (error) {
    if (error instanceof Killed) return true;
    throw error;
  }
}

describe('publication and crashes', () => {
  let rig: LocalRig;
  let parent: string;
  let collect: CollectRequest;
  beforeEach(async () => {
    rig = await makeRig();
    parent = join(rig.site, '45', '912345', '3', 'check', 'acme-dsvm');
    collect = collectRequest({ server: rig.server, logs: ['logs'] });
    await rig.writeStageLog(JOB, 1, 'testing', 'log of the stage');
    await rig.writeTreeFile(JOB, 'logs/sub/a.txt', 'a');
    await rig.writeTreeFile(JOB, 'logs/b.zip', 'PK\x03\x04');
  });
  afterEach(() => rig.close());

  /** Checks the complete publication. */
  async function expectPublished(url: string): Promise<void> {
    expect((await readdir(parent)).filter((name) => name !== 'index.html')).toEqual(['01jabcdefghi', SHORT]);
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('log of the stage');
    expect(await rig.read(url, 'worktree/logs/sub/a.txt')).toBe('a');
    expect(await readdir(fileURLToPath(url))).toEqual([
      'attempt-1',
      'index.html',
      'manifest.json',
      'worktree',
    ]);
    expect((await rig.manifest(url)).state).toBe('published');
    expect(await readFile(join(parent, '01jabcdefghi', 'precious'), 'utf8')).toBe('of another job');
  }

  test('publishes completely and once after a crash at each step of a publication', async () => {
    await rig.start().collect(collect, signal);
    await writeAt(join(parent, '01jabcdefghi', 'precious'), 'of another job');
    const redact = ['hunter22'];
    for (let steps = 0; ; steps += EXHAUSTIVE ? 1 : 3) {
      const first = killAfter(steps);
      const killed = await wasKilled(rig.start({ redact, ...first }).publish(publishRequest(), signal));
      const visible = (await readdir(parent)).filter((name) => !name.startsWith('.'));
      // A publication is complete as soon as it is visible, even before the next call.
      if (visible.includes(SHORT)) await expectPublished(new URL(`file://${join(parent, SHORT)}/`).href);
      if (!killed) {
        expect(steps).toBeGreaterThan(8);
        expect(first.log).toContain('put in place');
        return;
      }
      await wasKilled(rig.start({ redact, ...killAfter(steps % 5) }).publish(publishRequest(), signal));
      const url = await rig.start({ redact }).publish(publishRequest(), signal);
      await expectPublished(url);
      expect(await rig.start({ redact }).publish(publishRequest(), signal)).toBe(url);
      await rm(join(parent, SHORT), { recursive: true });
    }
  });

  test('collects completely after a crash at each step of a collection', async () => {
    await writeAt(join(parent, '01jabcdefghi', 'precious'), 'of another job');
    for (let steps = 0; ; steps++) {
      const killed = await wasKilled(rig.start(killAfter(steps)).collect(collect, signal));
      const evidence = rig.start();
      expect(await evidence.held()).toEqual([JOB]);
      expect(await evidence.collect(collect, signal)).toEqual({
        files: 3,
        bytes: 21,
        skipped: 0,
        url: expect.any(String),
      });
      await expectPublished(await evidence.publish(publishRequest(), signal));
      expect(await readdir(join(rig.stateDir, 'evidence'))).toEqual([JOB]);
      await rm(join(parent, SHORT), { recursive: true });
      if (!killed) {
        expect(steps).toBeGreaterThan(6);
        return;
      }
    }
  });

  test('discards completely after a crash at each step of discarding', async () => {
    for (let steps = 0; ; steps++) {
      await rig.writeStageLog(JOB, 1, 'testing', 'x');
      await rig.start().collect(collect, signal);
      const killed = await wasKilled(rig.start(killAfter(steps)).discard(JOB, 'all'));
      await rig.start().discard(JOB, 'all');
      expect(await readdir(join(rig.stateDir, 'evidence'))).toEqual([]);
      expect(await readdir(join(rig.stateDir, 'runs'))).toEqual([]);
      if (!killed) return;
    }
  });

  test.each([
    ['a file was changed', (at: string) => writeFile(join(at, 'worktree/logs/sub/a.txt'), 'b')],
    ['a file is missing', (at: string) => rm(join(at, 'attempt-1'), { recursive: true })],
    ['the page is missing', (at: string) => rm(join(at, 'index.html'))],
  ])('replaces its own damaged publication: %s', async (_what, damage) => {
    await writeAt(join(parent, '01jabcdefghi', 'precious'), 'of another job');
    const evidence = rig.start();
    await evidence.collect(collect, signal);
    const url = await evidence.publish(publishRequest(), signal);
    for (let steps = 0; ; steps += EXHAUSTIVE ? 1 : 7) {
      await damage(fileURLToPath(url));
      const killed = await wasKilled(rig.start(killAfter(steps)).publish(publishRequest(), signal));
      expect(await evidence.publish(publishRequest(), signal)).toBe(url);
      await expectPublished(url);
      if (!killed) return;
    }
  });

  test('keeps a damaged publication if there is nothing to replace it with', async () => {
    const evidence = rig.start();
    await evidence.collect(collect, signal);
    const url = await evidence.publish(publishRequest(), signal);
    await evidence.discard(JOB, 'all');
    await writeFile(join(fileURLToPath(url), 'worktree/logs/sub/a.txt'), 'b');
    expect((await failureOf(evidence.publish(publishRequest(), signal))).retryable).toBe(false);
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('log of the stage');
  });

  test('does not touch a temporary directory without our mark', async () => {
    const evidence = rig.start();
    await evidence.collect(collect, signal);
    await writeAt(join(parent, `.sos-ci-${JOB}.1`, 'precious'), 'foreign');
    await writeAt(join(parent, `.sos-ci-${JOB}.2`, 'manifest.json'), '{"version":1,"job":"x","files":[]}');
    await writeAt(join(parent, `.sos-ci-${JOB}.3`, 'manifest.json'), 'not JSON');
    await writeAt(join(parent, `.sos-ci-${JOB}.4`), 'a file');
    const url = await evidence.publish(publishRequest(), signal);
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe('log of the stage');
    const left = [1, 2, 3, 4].map((number) => `.sos-ci-${JOB}.${number}`);
    expect(await readdir(parent)).toEqual([...left, SHORT, 'index.html']);
    expect(await readFile(join(parent, `.sos-ci-${JOB}.1`, 'precious'), 'utf8')).toBe('foreign');
  });

  test('refuses a damaged list of collected files', async () => {
    const evidence = rig.start();
    await evidence.collect(collect, signal);
    const list = join(rig.stateDir, 'evidence', JOB, 'collected.json');
    for (const text of ['', '{', 'null', '[]', '{"version":1,"job":"other"}', '{"version":1,"job":7}']) {
      await writeFile(list, text);
      expect((await failureOf(evidence.publish(publishRequest(), signal))).retryable).toBe(false);
    }
    expect(await readdir(parent)).toEqual([]);
  });

  test('leaves nothing behind when it is aborted, and can be called again', async () => {
    const stop = new AbortController();
    const evidence = rig.start({ beforeStep: (step) => step.startsWith('copy worktree') && stop.abort() });
    await rig.start().collect(collect, signal);
    const failure = await failureOf(evidence.publish(publishRequest(), stop.signal));
    expect(failure).toMatchObject({ retryable: true, operation: 'publish evidence' });
    expect(await readdir(parent)).toEqual([]);
    expect(await evidence.publish(publishRequest(), signal)).toContain(SHORT);
  });
});
