/**
 * Prints `passed failed skipped` for one step of .ci/run: from Vitest's report if the step writes one, otherwise the
 * step counts as one test. A suite that crashed or wrote no report adds one failure.
 * Usage: tally.mjs EXIT_CODE [REPORT]
 */
import { existsSync, readFileSync } from 'node:fs';

const FAILED = { passed: 0, failed: 1, skipped: 0 };
const [code, file] = process.argv.slice(2);
const ended = code === '0' ? { passed: 1, failed: 0, skipped: 0 } : FAILED;
const { passed, failed, skipped } = file === undefined ? ended : existsSync(file) ? counted(file) : FAILED;
console.log(`${passed} ${code !== '0' && failed === 0 ? 1 : failed} ${skipped}`);

function counted(report) {
  const { numPassedTests, numFailedTests, numPendingTests, testResults } = JSON.parse(
    readFileSync(report, 'utf8'),
  );
  // A test file that failed to load has failed without a failed test.
  const broken = testResults.filter(
    ({ status, assertionResults }) =>
      status === 'failed' && !assertionResults.some((test) => test.status === 'failed'),
  );
  const failed = numFailedTests + broken.length;
  return {
    passed: numPassedTests,
    failed: numPassedTests + failed === 0 ? 1 : failed,
    skipped: numPendingTests,
  };
}
