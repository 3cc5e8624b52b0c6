/**
 * The address of a server reached over SSH: `ssh://USER@HOST:PORT/ABSOLUTE/DIRECTORY`. Each server has its own
 * directory, which only sos-ci uses. The parts go into command lines on the node, so they are limited to characters
 * that no shell interprets.
 */
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { type SshEndpoint, sshTarget } from './client/client.ts';

export interface NodeAddress extends SshEndpoint {
  /** An absolute path without `.` or `..` segments. */
  readonly directory: string;
}

const FORM = /^ssh:\/\/([^@/]+)@(\[[^\]/]+\]|[^:@/[\]]+):(\d{1,5})(\/.*)$/;
const USER = /^[A-Za-z_][A-Za-z0-9._-]{0,63}$/;
const HOST = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;
const HOST_6 = /^[0-9A-Fa-f:.]{2,45}(%[A-Za-z0-9._-]{1,32})?$/;
const DIRECTORY = /^(\/[A-Za-z0-9_+@=,-][A-Za-z0-9_+@=,.-]*)+$/;
const MAX_DIRECTORY_LENGTH = 512;

/** True for a server whose address was created by `formatAddress`. */
export function isNode(server: Pick<Server, 'address'>): boolean {
  return server.address.startsWith('ssh://');
}

/** @throws OperationError when a part is not valid in an address */
export function formatAddress(address: NodeAddress): string {
  const { user, host, port, directory } = address;
  const text = `ssh://${user}@${host.includes(':') ? `[${host}]` : host}:${port}${directory}`;
  parseAddress(text);
  return text;
}

/** @throws OperationError when `text` is not a node's address */
export function parseAddress(text: string): NodeAddress {
  const [, user = '', hostText = '', portText = '', directory = ''] = FORM.exec(text) ?? [];
  const bracketed = hostText.startsWith('[');
  const host = bracketed ? hostText.slice(1, -1) : hostText;
  const port = Number(portText);
  const isValid =
    USER.test(user) &&
    (bracketed ? host.includes(':') && HOST_6.test(host) : HOST.test(host)) &&
    port >= 1 &&
    port <= 65_535 &&
    directory.length <= MAX_DIRECTORY_LENGTH &&
    DIRECTORY.test(directory);
  if (isValid) return { user, host, port, directory };
  throw new OperationError({
    operation: 'reach node',
    target: JSON.stringify(text.slice(0, 200)),
    message: 'this is not the address of a node',
    retryable: false,
    hint: 'use ssh://USER@HOST:PORT/DIRECTORY with letters and digits; the directory may also contain _ + @ = , . -',
  });
}

/** `user@host:port`, for messages. */
export function nodeName(address: NodeAddress): string {
  return sshTarget(address);
}
