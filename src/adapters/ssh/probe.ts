/**
 * Probes a node over one connection: whether the login works, and whether the node has what a job needs. Writes nothing
 * on the node or on this host.
 */
import type { SshConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import { knownHostKeys, parseHostKey } from '../openssh/host-key.ts';
import { readPrivateKey } from '../openssh/key-file.ts';
import { fingerprint, keyType } from '../openssh/known-hosts.ts';
import { type NodeAddress, nodeName } from './address.ts';
import type { SshClient } from './client/client.ts';
import { runNodeScript } from './command.ts';
import { connectToNode, PLAIN_ARGUMENT } from './connection.ts';
import { probeFiles } from './files.ts';
import { PinnedKey } from './pinned-key.ts';

export interface NodeToProbe {
  readonly provider: string;
  readonly address: NodeAddress;
  readonly config: SshConfig;
  /** The value in the configuration. */
  readonly hostKey: string | null;
  /** Absolute paths of programs that jobs run there. Paths with spaces or other unusual characters are not checked. */
  readonly commands: readonly string[];
}

export interface NodeProbe {
  /** The key that the node presented; null when a key was already known. */
  readonly unpinned: { readonly line: string; readonly fingerprint: string } | null;
  /** Required programs that the node lacks. */
  readonly missing: readonly string[];
  /** The commands that the account cannot execute. */
  readonly absent: readonly string[];
  /** The deepest existing ancestor of the directory. */
  readonly existing: string;
  readonly writable: boolean;
  /** Why SFTP does not work; null when it works. */
  readonly sftp: OperationError | null;
  /** Whether a runner there may create a cgroup for a command. */
  readonly canUseCgroups: boolean;
  /** Null: the node did not report it. */
  readonly freeBytes: number | null;
}

const SCRIPT = new URL('./probe.sh', import.meta.url);

/** @throws OperationError for a bad key, host key, connection or account */
export async function probeNode(node: NodeToProbe, signal: AbortSignal): Promise<NodeProbe> {
  const { address, config, provider } = node;
  const privateKey = await readPrivateKey(config.keyFile, {
    setting: `providers.${provider}.ssh.key`,
    addTo: `to ~/.ssh/authorized_keys of ${address.user} on the node`,
  });
  const known = await hostKeysOf(node);
  const pinned = PinnedKey.forProbe(nodeName(address), known);
  const connection = await connectToNode({ address, privateKey, pinned, config }, signal);
  try {
    const commands = node.commands.filter((path) => PLAIN_ARGUMENT.test(path));
    const args = [address.directory, ...commands];
    const command = { operation: 'probe node', script: SCRIPT, args, timeoutMs: config.commandTimeoutMs };
    const { output } = await runNodeScript(connection, command, signal);
    const unpinned = known.length > 0 ? null : shown(pinned);
    const facts = read(output, commands, connection.target);
    return { unpinned, ...facts, sftp: await filesProblem(connection, config.commandTimeoutMs, signal) };
  } finally {
    await connection.close();
  }
}

async function filesProblem(
  connection: SshClient,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<OperationError | null> {
  try {
    await probeFiles(connection, timeoutMs, signal);
    return null;
  } catch (error) {
    if (error instanceof OperationError) return error;
    throw error;
  }
}

async function hostKeysOf({ hostKey, config, address }: NodeToProbe): Promise<readonly Buffer[]> {
  const written = hostKey === null ? null : parseHostKey(hostKey);
  if (written !== null) return [written];
  if (config.knownHostsFile === null) return [];
  return knownHostKeys(address.host, address.port, config.knownHostsFile);
}

function shown({ blobs }: PinnedKey): NodeProbe['unpinned'] {
  const [blob = Buffer.alloc(0)] = blobs;
  return {
    line: `${keyType(blob) ?? ''} ${blob.toString('base64')}`,
    fingerprint: `${keyType(blob) ?? 'a key'} ${fingerprint(blob)}`,
  };
}

function read(
  output: string,
  commands: readonly string[],
  target: string,
): Omit<NodeProbe, 'unpinned' | 'sftp'> {
  const [, missing, existing, writable, absent = '', free, group] =
    /^missing((?: [a-z/]{1,20})*)\nexisting (\/\S{0,500}) (yes|no)\nabsent((?: \d{1,4})*)\nfree (\d{0,18})\ngroup (yes|no)\n$/.exec(
      output,
    ) ?? [];
  if (missing === undefined || existing === undefined) {
    throw new OperationError({
      operation: 'probe node',
      target,
      message: `an invalid answer: ${output.trim().slice(-300)}`,
      retryable: false,
      hint: "log in by hand, and check that the account's shell runs sh",
    });
  }
  return {
    missing: missing.split(' ').filter((name) => name !== ''),
    absent: absent.split(' ').flatMap((index) => (index === '' ? [] : (commands[Number(index)] ?? []))),
    existing,
    writable: writable === 'yes',
    canUseCgroups: group === 'yes',
    freeBytes: free === undefined || free === '' ? null : Number(free) * 1024,
  };
}
