/**
 * Unless `user` names another account, the local provider runs untrusted code as the daemon's own user, with access to
 * the daemon's files. That is meant for a Gerrit on this host; for any other Gerrit the operator must permit it.
 */
import { isIPv4 } from 'node:net';
import type { LocalProviderConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';

/**
 * Throws unless the Gerrit host is a literal loopback name or address, or the configuration permits any host. Names are
 * not resolved, because the answer could change later.
 */
export function assertLoopbackGerrit(
  host: string,
  { allowUntrustedCode, user }: Pick<LocalProviderConfig, 'allowUntrustedCode' | 'user'>,
): void {
  if (allowUntrustedCode || user !== null || isLoopback(host)) return;
  throw new OperationError({
    operation: 'use the local provider',
    target: host,
    message: `patchsets of ${host} would run on this host as the user of the daemon`,
    retryable: false,
    hint: 'name an account for their code (user), or set allowUntrustedCode: true if everyone who may push there may run programs here',
  });
}

function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  return (
    name === 'localhost' || name === '::1' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))
  );
}
