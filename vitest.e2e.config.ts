/** The suites that kill real daemons and wait for real deadlines: minutes, not seconds. */
import { defineConfig } from 'vitest/config';
import { longestFirst } from './test/fixtures/longest-first.ts';
import { reportersFor } from './test/fixtures/run-reporter.ts';

/** Its scenes have short deadlines, so it runs alone at the end. */
const DEMO = 'test/e2e/demo.test.ts';

export default defineConfig({
  test: {
    reporters: reportersFor('default'),
    allowOnly: false,
    pool: 'forks',
    isolate: false,
    // crash.test.ts keeps the processors busy; most of the others wait.
    maxWorkers: 3,
    sequence: { sequencer: longestFirst(['crash', 'archive', 'node', 'stages']) },
    testTimeout: 600_000,
    hookTimeout: 120_000,
    projects: [
      {
        extends: true,
        // The suites in directories have their own configurations.
        test: {
          name: 'three at a time',
          include: ['test/e2e/*.test.ts'],
          exclude: [DEMO],
          sequence: { groupOrder: 0 },
        },
      },
      { extends: true, test: { name: 'alone', include: [DEMO], sequence: { groupOrder: 1 } } },
    ],
  },
});
