/**
 * The suites that kill real daemons and wait for real deadlines: minutes, not seconds, one file after the other.
 */
import { defineConfig } from 'vitest/config';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    reporters: reportersFor('default'),
    allowOnly: false,
    pool: 'forks',
    // The suites in folders have their own configurations.
    include: ['test/e2e/*.test.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 600_000,
    hookTimeout: 120_000,
  },
});
