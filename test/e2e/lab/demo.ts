/**
 * `npm run demo -- --lab`: shows the way from a push to its review with a real Gerrit, OpenStack and Tempest on this
 * host, a Debian 12 or Ubuntu 24.04, as root. `--yes` asks nothing; `--keep` leaves the cloud running. The published
 * pages stay.
 */
import { createInterface } from 'node:readline/promises';
import { runInCloud } from '../openstack/namespace.ts';
import { LAB, LAB_DIRECTORY } from './suite.ts';

const ANNOUNCEMENT = `The demo installs on this host, with apt-get:
  MariaDB, RabbitMQ, Memcached, Keystone, Glance, Neutron, Nova, Cinder, Java and Maven (about 600 MB); none is started as a service
and keeps in ${LAB_DIRECTORY}:
  a file system for the servers, with the packages of DevStack's services and Tempest (1.5 GB), Ansible (600 MB), Cinder
The cloud runs in a network namespace and ends with the demo. All of it takes 12 minutes the first time, then 7.
`;

const args = process.argv.slice(2);
console.log(ANNOUNCEMENT);
if (args.includes('--yes') || (await confirmed())) {
  process.exitCode = await runInCloud(
    { ...LAB, command: [process.execPath, 'scripts/run.mjs', 'test/e2e/lab/demo-scenes.ts'] },
    args.filter((word) => word === '--keep'),
  );
} else {
  console.log('nothing was installed; to go on without a question: npm run demo -- --lab --yes');
  process.exitCode = 1;
}

async function confirmed(): Promise<boolean> {
  if (!process.stdin.isTTY) return false;
  const terminal = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await terminal.question('Go on? [y/N] ');
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
