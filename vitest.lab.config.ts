/** From push to review with real Tempest, for which test/e2e/lab/main.ts starts the cloud: minutes, case by case. */
import { defineConfig } from 'vitest/config';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    // With the time of each case.
    reporters: reportersFor('verbose'),
    pool: 'forks',
    include: ['test/e2e/lab/**/*.test.ts'],
    globalSetup: ['test/e2e/gerrit/start-gerrit.ts'],
    env: { SOS_CI_GERRIT_VERSION: '3.9.1' },
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 1_800_000,
    hookTimeout: 300_000,
  },
});
