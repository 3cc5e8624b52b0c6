/** The real Gerrit that all files of a run share: started before the first one, stopped after the last one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import { versionOf } from './version.ts';

export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const version = versionOf(project.config.env.SOS_CI_GERRIT_VERSION);
  const directory = mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  try {
    const gerrit = await RealGerrit.make({ directory: join(directory, 'gerrit'), version });
    const begin = performance.now();
    await gerrit.start();
    console.log(`Gerrit ${version}: ready after ${((performance.now() - begin) / 1000).toFixed(1)} s`);
    project.provide('gerrit', gerrit.address);
    return async () => {
      await gerrit.stop();
      remove();
    };
  } catch (error) {
    remove();
    throw error;
  }
}
