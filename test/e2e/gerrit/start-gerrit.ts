/**
 * The real Gerrits that the files of a run share, one for each worker, so that files which run at the same time do not
 * see each other's events and logins: started before the first file, stopped after the last one.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';
import { versionOf } from './version.ts';

export default async function start(project: TestProject): Promise<() => Promise<void>> {
  const version = versionOf(project.config.env.SOS_CI_GERRIT_VERSION);
  const directory = mkdtempSync(join(tmpdir(), 'sos-ci-gerrit-'));
  const gerrits: RealGerrit[] = [];
  const stop = async (): Promise<void> => {
    await Promise.all(gerrits.map((gerrit) => gerrit.stop()));
    rmSync(directory, { recursive: true, force: true, maxRetries: 10 });
  };
  try {
    // One after the other: the first one may have to fetch Gerrit and to make its site.
    while (gerrits.length < project.vitest.config.maxWorkers)
      gerrits.push(
        await RealGerrit.make({ directory: join(directory, `gerrit-${gerrits.length + 1}`), version }),
      );
    const begin = performance.now();
    await Promise.all(gerrits.map((gerrit) => gerrit.start()));
    const took = ((performance.now() - begin) / 1000).toFixed(1);
    console.log(`${gerrits.length} x Gerrit ${version}: ready after ${took} s`);
    project.provide(
      'gerrits',
      gerrits.map(({ address }) => address),
    );
    return stop;
  } catch (error) {
    await stop();
    throw error;
  }
}
