/** What sos-ci itself finds in the cloud that `tempest cleanup` cleans, and where the OpenStack providers create servers. */
import type { TempestCleanupOptions } from '../adapters/janitor/tempest.ts';
import { Calls } from '../adapters/openstack/calls.ts';
import { listForCleanup } from '../adapters/openstack/cleanup-listing.ts';
import type { CloudSession } from '../adapters/openstack/session/session.ts';
import type { OpenStackProviderConfig } from '../config/config.ts';
import { OperationError } from '../errors.ts';
import { openStackSession } from './openstack-session.ts';

/** A cloud with ten thousand resources answers in less than a minute. */
const TIMEOUT_MS = 600_000;

type Account = Parameters<typeof openStackSession>[0];

/** @param providers the OpenStack providers of the current configuration */
export function cloudOfTempest(
  providers: () => readonly OpenStackProviderConfig[],
): Pick<TempestCleanupOptions, 'login' | 'list' | 'providerProjects'> {
  return {
    login: (work, signal) => inCloud(work, signal, (session, soon) => session.login(soon)),
    list: (work, kinds, signal) =>
      inCloud(work, signal, (session, soon) => listForCleanup(new Calls(session), kinds, soon)),
    providerProjects: async (signal) => {
      const projects = new Map<string, string>();
      for (const provider of providers()) {
        const { projectId } = await inCloud(provider, signal, (session, soon) => session.login(soon));
        projects.set(provider.name, projectId);
      }
      return projects;
    },
  };
}

async function inCloud<T>(
  account: Account,
  signal: AbortSignal,
  use: (session: CloudSession, signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const session = openStackSession(account);
  const late = AbortSignal.timeout(TIMEOUT_MS);
  try {
    return await use(session, AbortSignal.any([signal, late]));
  } catch (error) {
    if (!late.aborted || signal.aborted) throw error;
    throw new OperationError({
      operation: 'look into the cloud',
      target: account.cloud ?? account.openrcFile ?? 'OpenStack',
      message: 'it did not answer within ten minutes',
      retryable: true,
      hint: 'check the services of the cloud',
      cause: error,
    });
  } finally {
    session.close();
  }
}
