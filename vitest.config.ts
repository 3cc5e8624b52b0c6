/**
 * The unit, contract and scenario tests. Two workers, because the machine that they must be quick on has two cores; a
 * process for each file, because many of them start processes and open databases of their own.
 */
import { defineConfig } from 'vitest/config';
import { RunReporter } from './test/fixtures/run-reporter.ts';

const report = process.env.SOS_CI_TEST_REPORT;

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', '**/node_modules/**'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    allowOnly: false,
    // A reader of the numbers asks for them as a file; people get the default reporter either way.
    reporters:
      report === undefined
        ? ['default', new RunReporter()]
        : ['default', ['json', { outputFile: report }], new RunReporter()],
  },
});
