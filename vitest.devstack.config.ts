/** Jobs with real DevStack and Tempest, for which test/e2e/devstack/main.ts starts the cloud: 10 to 20 minutes. */
import { defineConfig } from 'vitest/config';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    // With the time of each case.
    reporters: reportersFor('verbose'),
    pool: 'forks',
    include: ['test/e2e/devstack/**/*.test.ts'],
    globalSetup: ['test/e2e/gerrit/start-gerrit.ts'],
    env: { SOS_CI_GERRIT_VERSION: '3.9.1' },
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 3 * 3_600_000,
    hookTimeout: 600_000,
  },
});
