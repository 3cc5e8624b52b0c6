/**
 * The connected nodes, one for each server. All code that runs, copies, reads or deletes something on a node gets the
 * node here, so that it shares the connection and the pinned host key.
 */
import type { SshConfig } from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { Node, type NodeTask } from './node.ts';
import { pinNew, unpin } from './pinned-key.ts';

export interface NodePoolOptions {
  readonly stateDir: string;
  /** The SSH settings of a provider; undefined when the provider is not, or no longer, in the configuration. */
  readonly configOf: (provider: string) => SshConfig | undefined;
}

export class NodePool {
  readonly #options: NodePoolOptions;
  readonly #nodes = new Map<string, Node>();

  constructor(options: NodePoolOptions) {
    this.#options = options;
  }

  get(server: Server): Node {
    const key = keyOf(server);
    const known = this.#nodes.get(key);
    if (known !== undefined) return known;
    const config = this.#options.configOf(server.provider);
    if (config === undefined) throw unknownProvider(server.provider);
    const node = new Node(this.#options.stateDir, server, config);
    this.#nodes.set(key, node);
    return node;
  }

  /** Pins the server's host key, unless one is already pinned. */
  async pin(server: Server, key: Buffer): Promise<void> {
    await pinNew(this.#options.stateDir, server, [key]);
  }

  /** Waits until the server accepts the login. */
  async reach(server: Server, task: NodeTask): Promise<void> {
    await this.get(server).using(task, async () => {});
  }

  /** Called when the server is deleted or no longer needed. Its address may be unknown: the id is enough. */
  async release(server: Server): Promise<void> {
    const start = keyOf({ ...server, address: '' });
    await this.#disconnect([...this.#nodes.keys()].filter((key) => key.startsWith(start)));
    await unpin(this.#options.stateDir, server);
  }

  /** Closes the connection. The next use opens another. */
  async disconnect(server: Server): Promise<void> {
    await this.#disconnect([keyOf(server)]);
  }

  /** Closes all connections. */
  async close(): Promise<void> {
    await this.#disconnect([...this.#nodes.keys()]);
  }

  async #disconnect(keys: readonly string[]): Promise<void> {
    const nodes = keys.map((key) => this.#nodes.get(key));
    for (const key of keys) this.#nodes.delete(key);
    await Promise.all(nodes.map((node) => node?.close()));
  }
}

function keyOf({ provider, id, address }: Server): string {
  return `${provider}\0${id}\0${address}`;
}

function unknownProvider(provider: string): OperationError {
  return new OperationError({
    operation: 'reach node',
    target: provider,
    message: 'the provider of this server is no longer in the configuration',
    retryable: false,
    hint: 'add the provider again until its jobs have ended',
  });
}
