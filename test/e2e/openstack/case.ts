/**
 * One case with a real Gerrit and a real OpenStack: the provider `lab` uses the clouds.yaml beside the configuration.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { TestCase } from '../gerrit/case.ts';
import type { CaseOptions, Section } from '../gerrit/case-config.ts';
import type { Testbed } from '../gerrit/testbed.ts';
import type { Cloud } from './cloud.ts';

/** Servers boot and end in seconds on an idle machine. */
const LIMIT_MS = 180_000;

/** Shell text of a test stage that blocks until the test creates /tmp/go. */
export const WAIT_FOR_GO = 'touch /tmp/testing; until [ -e /tmp/go ]; do sleep 0.2; done\n';

export interface CloudCaseOptions extends CaseOptions {
  /** More keys for the provider. */
  readonly provider?: Section;
  /** More keys for the job's `limits`. */
  readonly limits?: Section;
}

export async function newCloudCase(
  testbed: Testbed,
  cloud: Cloud,
  { provider, limits, ...options }: CloudCaseOptions,
): Promise<TestCase> {
  const lab = {
    type: 'openstack',
    slots: 4,
    cloud: 'lab',
    image: 'debian-12',
    flavor: 'small',
    networks: ['private'],
    ssh: { key: testbed.sshd.keyFile },
    ...provider,
  };
  const job = {
    provider: 'lab',
    limits: { setupRetryDelay: '100ms', setupAttempts: 2, ...limits },
    ...options.job,
  };
  const top = { providers: { lab }, ...options.top };
  // The ledger of the other suites is on this host, which the servers cannot reach.
  const testCase = await testbed.newCase({ limitMs: LIMIT_MS, stacking: 'true\n', ...options, job, top });
  copyFileSync(cloud.cloudsYaml, join(testCase.directory, 'clouds.yaml'));
  return testCase;
}
