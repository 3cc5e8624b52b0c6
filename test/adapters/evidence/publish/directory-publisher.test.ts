/** Evidence that is published to a directory of this host. */
import { describe } from 'vitest';
import { fileSystemPublisherContract } from '../../../contracts/file-system-publisher.ts';
import { publisherContract } from '../../../contracts/publisher.ts';
import { makeRig } from '../../logs/rig.ts';

describe('Publisher: directory', () => {
  publisherContract((site) => makeRig(site));
  fileSystemPublisherContract(() => makeRig());
});
