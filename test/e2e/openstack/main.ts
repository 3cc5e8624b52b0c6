/**
 * `npm run e2e:openstack`: jobs on servers of a real OpenStack, which it installs. `--keep` leaves the cloud running
 * for inspection.
 */
import { runInCloud, vitest } from './namespace.ts';

process.exitCode = await runInCloud({
  directory: process.env.SOS_CI_CLOUD ?? '/var/tmp/sos-ci-cloud',
  // Reused by later runs, because creating the root file system takes half a minute.
  kept: ['rootfs'],
  command: vitest('vitest.openstack.config.ts'),
});
