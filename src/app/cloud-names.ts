/** The names in a cloud from which a first configuration chooses. */
import { systemClock } from '../adapters/clock/system.ts';
import { Calls } from '../adapters/openstack/calls.ts';
import { FLAVORS, IMAGES, NETWORKS } from '../adapters/openstack/resources.ts';
import { KeystoneSession } from '../adapters/openstack/session/cloud-session.ts';
import { type CredentialSource, readCredentials } from '../adapters/openstack/session/credentials.ts';
import { OperationError } from '../errors.ts';

export interface CloudNames {
  readonly image: readonly string[];
  readonly flavor: readonly string[];
  readonly network: readonly string[];
}

/** A person waits for it. */
const LIMIT_MS = 20_000;

/** Sorted and without duplicates. Null: the cloud does not answer, and doctor will say why. */
export async function cloudNames(source: CredentialSource): Promise<CloudNames | null> {
  const session = new KeystoneSession(() => readCredentials(source), systemClock);
  const signal = AbortSignal.timeout(LIMIT_MS);
  const calls = new Calls(session);
  const sorted = (found: readonly { readonly name: string }[]) =>
    [...new Set(found.map(({ name }) => name))].sort();
  try {
    const [image, flavor, network] = await Promise.all([
      calls.all('image', 'images', IMAGES, ({ id }) => id, signal, {}),
      calls.all('compute', 'flavors/detail', FLAVORS, ({ id }) => id, signal, {}),
      calls.all('network', 'networks', NETWORKS, ({ id }) => id, signal, {}),
    ]);
    return { image: sorted(image), flavor: sorted(flavor), network: sorted(network) };
  } catch (thrown) {
    if (!(thrown instanceof OperationError)) throw thrown;
    return null;
  } finally {
    session.close();
  }
}
