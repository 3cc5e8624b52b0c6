/** The removal of published directories, interrupted before each of its steps. */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { expire } from '../../../../src/adapters/evidence/publish/expire.ts';
import { collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { type LocalRig, makeRig } from '../../logs/rig.ts';

let rig: LocalRig;
beforeEach(async () => {
  rig = await makeRig();
  await rig.writeStageLog(JOB, 1, 'testing', 'log\n');
  await rig.writeTreeFile(JOB, 'logs/sub/a.txt', 'a');
  await rig.start().collect(collectRequest({ server: rig.server, logs: ['logs'] }), NEVER);
});
afterEach(() => rig.close());

const EXPIRY = {
  deployment: publishRequest().owner.deployment,
  before: Date.now() + 3_600_000,
  isNeeded: () => false,
};

/** Removes what has expired, and fails before a step. Resolves to the names of the steps. */
async function interruptedAt(step: number): Promise<readonly string[]> {
  const steps: string[] = [];
  const beforeStep = (name: string): void => {
    steps.push(name);
    if (steps.length === step) throw new Error('killed');
  };
  await expire(rig.site, EXPIRY, NEVER, beforeStep).catch((error: Error) => {
    if (error.message !== 'killed') throw error;
  });
  return steps;
}

test('shows readers all of a directory or nothing, and is finished by the next call', async () => {
  const request = publishRequest();
  for (let step = 1; ; step += 1) {
    const url = await rig.start().publish(request, NEVER);
    const steps = await interruptedAt(step);
    const visible = await rig.read(url, 'manifest.json');
    if (visible !== null) expect(await rig.read(url, 'worktree/logs/sub/a.txt')).toBe('a');
    await expire(rig.site, EXPIRY, NEVER);
    expect(await readdir(rig.site)).toEqual([]);
    if (steps.length < step) break;
  }
  expect(await readdir(join(rig.base, 'state'))).toContain('evidence');
});
