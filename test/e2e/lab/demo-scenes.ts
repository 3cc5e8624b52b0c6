/** The demo in the namespace of the cloud: a good change and a broken one, from the push to the review. */
import { randomBytes } from 'node:crypto';
import { cpSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { Testbed } from '../gerrit/testbed.ts';
import { Cloud } from '../openstack/cloud.ts';
import { EDITS, Lab } from './lab.ts';
import { LAB_DIRECTORY } from './suite.ts';

const PAGES = join(LAB_DIRECTORY, 'pages');

const began = performance.now();
const random = (): string => randomBytes(12).toString('hex');
const say = (text: string): void => {
  console.log(`[${((performance.now() - began) / 1000).toFixed(0).padStart(4)} s] ${text}`);
};

say('starting Gerrit');
const testbed = await Testbed.alone();
const cloud = new Cloud();
await cloud.clear();
const lab = await Lab.make(testbed, cloud, {
  localScript: '#!/bin/sh\n',
  secretVariables: { acme_password: random() },
  secret: random(),
});
try {
  const daemon = await lab.case.startDaemon();
  say('sos-ci listens to its event stream');
  await show();
  await lab.case.settled(2);
  say(`both servers are gone: ${(await cloud.resourceLines()).length} resources are left in the cloud`);
  await daemon.stop();
} finally {
  lab.stop();
  await testbed.stop();
}

/** Pushes both changes, prints each step of their jobs, and then the reviews that Gerrit has. */
async function show(): Promise<void> {
  const changes = [await lab.push(EDITS.good), await lab.push(EDITS.broken)];
  say(
    `pushed change ${changes[0]}, which is good, and ${changes[1]}, which breaks extend_volume of the driver`,
  );
  const printed = new Set<string>();
  await lab.case.eventually('both reviews', async () => {
    for (const line of lab.case.jobs()) {
      if (!printed.has(line)) say(`job on ${line}`);
      printed.add(line);
    }
    const messages = await Promise.all(changes.map((change) => lab.case.messages(change)));
    return messages.every((all) => all.length > 0);
  });
  rmSync(PAGES, { recursive: true, force: true });
  cpSync(join(lab.case.stateDir, 'logs'), PAGES, { recursive: true });
  const votes: (number | null)[] = [];
  for (const change of changes) {
    const [message] = await lab.case.messages(change);
    const vote = await lab.case.vote(change);
    votes.push(vote);
    say(`Gerrit has on change ${change}, with Verified ${vote}:`);
    console.log((message?.text ?? '').replaceAll(/^/gm, '    '));
  }
  say(`the published pages: ${PAGES}`);
  if (votes.join() === '1,-1') return;
  say('failed: the first change should have Verified 1 and the second one -1; the pages say why they do not');
  process.exitCode = 1;
}
