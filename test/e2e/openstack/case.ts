/** One case with a real Gerrit and a real OpenStack: the provider `lab`, whose cloud is that of clouds.yaml beside the configuration. */
import { copyFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Case } from '../gerrit/case.ts';
import type { CaseOptions, Section } from '../gerrit/case-config.ts';
import type { Rig } from '../gerrit/rig.ts';
import type { Cloud } from './cloud.ts';

/** Servers boot and end in seconds on a quiet machine. */
const LIMIT_MS = 180_000;

/** Shell text of a test stage that waits for the test. */
export const WAIT_FOR_GO = 'touch /tmp/testing; until [ -e /tmp/go ]; do sleep 0.2; done\n';

export interface CloudCaseOptions extends CaseOptions {
  /** More keys for the provider. */
  readonly provider?: Section;
  /** Keys that the job's `limits` have besides. */
  readonly limits?: Section;
}

export async function cloudCase(
  rig: Rig,
  cloud: Cloud,
  { provider, limits, ...options }: CloudCaseOptions = {},
): Promise<Case> {
  const lab = {
    type: 'openstack',
    slots: 4,
    cloud: 'lab',
    image: 'debian-12',
    flavor: 'small',
    networks: ['private'],
    ssh: { key: rig.sshd.keyFile },
    ...provider,
  };
  const job = {
    provider: 'lab',
    limits: { setupRetryDelay: '100ms', setupAttempts: 2, ...limits },
    ...options.job,
  };
  const top = { providers: { lab }, ...options.top };
  // The ledger of the other suites is on this host, out of a server's reach.
  const one = await rig.newCase({ limitMs: LIMIT_MS, stacking: 'true\n', ...options, job, top });
  copyFileSync(cloud.cloudsYaml, join(one.directory, 'clouds.yaml'));
  return one;
}
