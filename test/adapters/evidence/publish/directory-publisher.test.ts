/** Evidence that is published to a directory of this host. */
import { describe } from 'vitest';
import { publisherContract } from '../../../contracts/publisher.ts';
import { makeRig } from '../../logs/rig.ts';

describe('Publisher: directory', () => publisherContract((site) => makeRig(site)));
