/**
 * The unit, contract and scenario tests: pure code in threads, everything else in processes. Each worker loads a module
 * once for all its files.
 */
import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';
import { PURE_FILES } from './test/fixtures/pure.ts';
import { reportersFor } from './test/fixtures/run-reporter.ts';

/** Many tests wait for processes and sockets, so eight workers keep two cores busy. */
const MIN_WORKERS = 8;

export default defineConfig({
  test: {
    reporters: reportersFor('default'),
    allowOnly: false,
    // A golden file that is missing fails its test, as on CI: `vitest -u` writes it.
    update: 'none',
    maxWorkers: Math.max(MIN_WORKERS, availableParallelism()),
    isolate: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 30_000 } },
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
