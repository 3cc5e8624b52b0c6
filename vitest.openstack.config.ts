/** The suite against a real OpenStack, which test/e2e/openstack/main.ts starts: minutes, one file after the other. */
import { defineConfig } from 'vitest/config';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    // With the time of each case.
    reporters: reportersFor('verbose'),
    pool: 'forks',
    include: ['test/e2e/openstack/**/*.test.ts'],
    globalSetup: ['test/e2e/gerrit/start-gerrit.ts'],
    env: { SOS_CI_GERRIT_VERSION: '3.9.1' },
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 300_000,
    hookTimeout: 300_000,
  },
});
