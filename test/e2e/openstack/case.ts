/**
 * One case with a real Gerrit and a real OpenStack: the provider `lab` uses the clouds.yaml beside the configuration.
 */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import type { TestCase } from '../gerrit/case.ts';
import type { CaseOptions, Section } from '../gerrit/case-config.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { Cloud } from './cloud.ts';
import { LookAlikes } from './look-alikes.ts';

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

/** The set-up of a test file: the shared Gerrit, and a project of the cloud with nothing but look-alikes. */
export class CloudTestbed {
  readonly cloud = new Cloud();
  #testbed: Testbed | null = null;
  #lookAlikes: LookAlikes | null = null;

  /** Call it once in a test file, outside of tests. */
  constructor() {
    beforeAll(async () => {
      this.#testbed = await Testbed.on(sharedGerrit());
      this.#lookAlikes = await LookAlikes.make(this.cloud);
    });
    afterAll(() => this.#testbed?.stop());
  }

  newCase(options: CloudCaseOptions = {}): Promise<TestCase> {
    if (this.#testbed === null) throw new Error('called outside of a test');
    return newCloudCase(this.#testbed, this.cloud, options);
  }

  /** Resources that are left in the project, and look-alikes that are gone. */
  async differences(): Promise<readonly string[]> {
    return (await this.#lookAlikes?.differences()) ?? ['called outside of a test'];
  }

  /** Waits until all jobs have ended; requires that nothing of them is left here and in the cloud. */
  async settled(testCase: TestCase, jobs = 1): Promise<void> {
    await testCase.settled(jobs);
    expect(await this.differences()).toEqual([]);
  }
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
