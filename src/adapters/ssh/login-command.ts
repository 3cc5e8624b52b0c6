/** The ssh command with which a person logs in to a node: with the daemon's key, and only to the pinned host. */
import { optionPath } from '../openssh/option-path.ts';
import { shellQuoted } from '../run/shell-word.ts';
import type { NodeAddress } from './address.ts';

/** No shell and no option of ssh interprets these characters. */
const PLAIN = /^[A-Za-z0-9_@:/.,+=-]+$/;

/** A line for a shell on this host. Ignores the configuration of the user and the host, as the daemon does. */
export function loginCommand(
  { user, host, port }: Pick<NodeAddress, 'user' | 'host' | 'port'>,
  keyFile: string,
  knownHostsFile: string,
): string {
  const path = (file: string) => (PLAIN.test(file) ? file : optionPath('open server', file));
  return [
    ...['ssh', '-F', 'none', '-i', path(keyFile).replace(/^"(.*)"$/, '$1')],
    ...['-o', 'IdentitiesOnly=yes', '-o', 'StrictHostKeyChecking=yes'],
    ...['-o', `UserKnownHostsFile=${path(knownHostsFile)}`, '-p', String(port), `${user}@${host}`],
  ]
    .map((word) => (PLAIN.test(word) ? word : shellQuoted(word)))
    .join(' ');
}
