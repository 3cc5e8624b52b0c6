/** The setup that the test files share. */
import { afterAll, beforeAll, expect } from 'vitest';
import type { TestCase } from '../gerrit/case.ts';
import { sharedGerrit } from '../gerrit/shared-gerrit.ts';
import { Testbed } from '../gerrit/testbed.ts';
import { type CloudCaseOptions, newCloudCase } from './case.ts';
import { Cloud } from './cloud.ts';
import { LookAlikes } from './look-alikes.ts';

/** The setup of a test file: the shared Gerrit, and a project of the cloud with nothing but look-alikes. */
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
