/** Published pages in a real browser behind a real nginx: minutes, one file after the other. */
import { defineConfig } from 'vitest/config';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    // With the time of each case.
    reporters: reportersFor('verbose'),
    allowOnly: false,
    pool: 'forks',
    include: ['test/e2e/browser/**/*.test.ts'],
    fileParallelism: false,
    maxWorkers: 1,
    testTimeout: 3_600_000,
    hookTimeout: 120_000,
  },
});
