/**
 * The unit, contract and scenario tests: pure code in threads, everything else in processes. Two workers, because the
 * machine that they must be quick on has two cores. Each worker loads a module once for all its files.
 */
import { defineConfig } from 'vitest/config';
import { PURE_FILES } from './test/fixtures/pure.ts';
import { reportersFor } from './test/fixtures/run-reporter.ts';

export default defineConfig({
  test: {
    reporters: reportersFor('default'),
    allowOnly: false,
    // A golden file that is missing fails its test, as on CI: `vitest -u` writes it.
    update: 'none',
    maxWorkers: 2,
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'pure',
          include: PURE_FILES,
          pool: 'threads',
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'outside',
          include: ['test/**/*.test.ts'],
          exclude: ['test/e2e/**', ...PURE_FILES],
          pool: 'forks',
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
