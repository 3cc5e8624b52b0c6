/**
 * The suites against a real Gerrit, once for each version whose Java is on this machine: minutes. Three files run at
 * a time, each with its own Gerrit, because most of them wait.
 */
import { defineConfig } from 'vitest/config';
import { GERRIT_VERSIONS, JAVA_FOR } from './test/e2e/real-gerrit/jars.ts';
import { findJava } from './test/e2e/real-gerrit/java.ts';
import { longestFirst } from './test/fixtures/longest-first.ts';
import { reportersFor } from './test/fixtures/run-reporter.ts';

const versions = GERRIT_VERSIONS.filter((version) => {
  const java = findJava(JAVA_FOR[version]);
  if (java === null) {
    console.error(
      `Gerrit ${version}: not tried, it needs Java ${JAVA_FOR[version]} or later (name one in JAVA21)`,
    );
  }
  return java !== null;
});
if (versions.length === 0)
  throw new Error('no Java for any version of Gerrit: install openjdk-17-jre-headless');

/**
 * What Gerrit's version can change: the stream, queries, reviews and permissions (contract, reviewer, rights, doctor),
 * the kinds of patchsets and copied votes, and with them the whole path of a change (kinds). The other files test what
 * the daemon does with Gerrit's answers, so the first version is enough.
 */
const ON_EACH = ['contract', 'reviewer', 'rights', 'doctor', 'kinds'];

export default defineConfig({
  test: {
    // With the time of each case.
    reporters: reportersFor('verbose'),
    maxWorkers: 3,
    sequence: {
      sequencer: longestFirst(['outages', 'replies', 'connections', 'killing', 'contract', 'kinds']),
    },
    projects: versions.map((version, index) => ({
      test: {
        name: `gerrit ${version}`,
        include: (index === 0 ? ['*'] : ON_EACH).map((name) => `test/e2e/gerrit/${name}.test.ts`),
        pool: 'forks' as const,
        isolate: false,
        globalSetup: ['test/e2e/gerrit/start-gerrit.ts'],
        // One version after the other.
        sequence: { groupOrder: index },
        env: { SOS_CI_GERRIT_VERSION: version },
        testTimeout: 300_000,
        hookTimeout: 300_000,
      },
    })),
  },
});
