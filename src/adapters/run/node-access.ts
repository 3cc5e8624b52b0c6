/** The operations that providers need on a node. */
import type { ContactListener } from '../../engine/ports/adapters.ts';
import type { Login, Server } from '../../machines/model/domain.ts';
import type { NodeSystem } from '../../machines/model/environment.ts';

export interface NodeAccess {
  /** The address of a server. Throws when a part is not valid in an address. */
  address(node: {
    readonly user: string;
    readonly host: string;
    readonly port: number;
    readonly directory: string;
  }): string;
  /** Pins the server's host key, unless one is already pinned. */
  pin(server: Server, key: Buffer): Promise<void>;
  /**
   * Waits until the server accepts the login, and creates its directory. `onContact` is called in between.
   */
  prepare(server: Server, timeoutMs: number, signal: AbortSignal, onContact?: ContactListener): Promise<void>;
  /** What the server says about itself. */
  describe(server: Server, signal: AbortSignal): Promise<NodeSystem>;
  /**
   * Ends the processes of the job's stages on the server, removes its secret files, and returns how a person logs in.
   */
  open(server: Server, timeoutMs: number, signal: AbortSignal): Promise<Login>;
  /** Called when the server is no longer needed, or when its id now belongs to another server. */
  release(server: Server): Promise<void>;
}

/** For a provider whose servers share persistent hosts. */
export interface HostAccess extends NodeAccess {
  /** Runs a command on the server to its end. Rejects unless it exits with 0. */
  run(server: Server, argv: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Ends every process of the server and removes its directory. */
  wipe(server: Server, timeoutMs: number, signal: AbortSignal): Promise<void>;
}

/** For a provider whose servers boot an image. */
export interface BootAccess extends NodeAccess {
  /** Waits until the server accepts the login. */
  reach(server: Server, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Waits until cloud-init has finished. Resolves to false when the server has none. Rejects when it failed. */
  awaitCloudInit(server: Server, timeoutMs: number, signal: AbortSignal): Promise<boolean>;
}
