/** Creates keys and reads and pins host keys for `sos-ci init`. A separate composition root. */

import { makeKey } from '../adapters/openssh/generate-key.ts';
import { type KeyUse, readPublicKey } from '../adapters/openssh/key-file.ts';
import { fetchHostKey, type SshEndpoint } from '../adapters/openssh/keyscan.ts';
import { fingerprint, keyType } from '../adapters/openssh/known-hosts.ts';
import { knownHostLine, pinHostKey } from '../adapters/openssh/pin-host-key.ts';

export interface HostKey {
  readonly key: Buffer;
  readonly type: string;
  /** As `ssh-keygen -l` prints it. */
  readonly fingerprint: string;
  /** A line for known_hosts. */
  readonly line: string;
}

/** Where the public key goes. */
export type KeyOwner = 'gerrit account' | 'nodes';

/** The operations on keys that init needs. */
export interface KeyProvisioner {
  /** Never overwrites a file. */
  makeKey(file: string, comment: string): Promise<void>;
  /** The public key, as a line for authorized_keys. */
  publicKey(file: string, owner: KeyOwner): Promise<string>;
  hostKey(endpoint: SshEndpoint): Promise<HostKey>;
  pin(file: string, endpoint: SshEndpoint, key: Buffer): 'pinned' | 'known';
}

const USES: Readonly<Record<KeyOwner, KeyUse>> = {
  'gerrit account': { setting: '--key', addTo: 'to the SSH keys of the account in Gerrit' },
  nodes: { setting: 'ssh.key of the provider', addTo: 'to ~/.ssh/authorized_keys on the nodes' },
};
const PROGRAM_TIMEOUT_MS = 30_000;
const CONNECT_TIMEOUT_MS = 20_000;

export function keyProvisioner(): KeyProvisioner {
  return {
    makeKey: (file, comment) => makeKey(file, comment, PROGRAM_TIMEOUT_MS),
    publicKey: async (file, owner) => (await readPublicKey(file, USES[owner])).line,
    hostKey: async (endpoint) => {
      const key = await fetchHostKey(endpoint, CONNECT_TIMEOUT_MS, new AbortController().signal);
      const line = knownHostLine(endpoint.host, endpoint.port, key);
      return { key, type: keyType(key) ?? 'a key', fingerprint: fingerprint(key), line };
    },
    pin: (file, { host, port }, key) => pinHostKey(file, host, port, key),
  };
}
