/**
 * `npm run e2e:lab`: from a push to its review on one machine, with packages alone: a real Gerrit, a server with systemd in
 * a real OpenStack, the shipped roles, a stand-in for DevStack's stack.sh, Cinder from PyPI with the patch, real Tempest, and
 * the review. `--keep` leaves the cloud running for inspection.
 */
import { collectionChecksum } from '../openstack/collection-checksum.ts';
import { runInCloud, vitest } from '../openstack/namespace.ts';
import { LAB } from './suite.ts';

process.exitCode = await runInCloud({ ...LAB, command: vitest('vitest.lab.config.ts') });
console.log(`ansible/: sha256 ${collectionChecksum()}`);
