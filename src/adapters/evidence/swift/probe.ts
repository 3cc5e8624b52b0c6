/** Checks for doctor whether evidence can be published to a container. */
import { randomBytes } from 'node:crypto';
import type { CloudSession } from '../../openstack/session/session.ts';
import { Container, textContent } from './container.ts';
import { PLAIN } from './object-type.ts';

/** If it is not removed, Swift removes it. */
const PROBE_MS = 3_600_000;

/** Writes and removes an object. @throws OperationError */
export async function probeContainer(
  session: CloudSession,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const container = new Container(session, name, PROBE_MS, signal);
  const path = `.sos-ci-doctor-${randomBytes(6).toString('hex')}`;
  await container.put(path, textContent('sos-ci doctor\n'), PLAIN);
  await container.remove(path);
}
