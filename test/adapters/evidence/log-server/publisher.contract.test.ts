/** Evidence that is published to a log server over SFTP, by a real sshd. */
import { afterAll, beforeAll } from 'vitest';
import { LogServerPublisher } from '../../../../src/adapters/evidence/log-server/publisher.ts';
import { evidenceContract } from '../../../contracts/evidence.ts';
import { fileSystemPublisherContract } from '../../../contracts/file-system-publisher.ts';
import { publisherContract } from '../../../contracts/publisher.ts';
import { EXHAUSTIVE } from '../../../fixtures/effort.ts';
import { needs } from '../../../fixtures/needs.ts';
import { Sshd } from '../../../fixtures/sshd.ts';
import { makeRig } from '../../logs/rig.ts';
import { logServerConfig } from './log-server.ts';

needs('sshd').describe('log server', () => {
  let sshd: Sshd;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  const make = (site?: string) =>
    makeRig(site, async (root) => new LogServerPublisher(await logServerConfig(sshd, root)));

  publisherContract(make);
  fileSystemPublisherContract(make);
  if (EXHAUSTIVE) evidenceContract('published to a log server', make);
});
