/** What a provider of servers that programs make needs of whoever can log in to them. */
import type { Server } from '../../machines/model/domain.ts';

export interface NodeAccess {
  /** The address of a server in this place. Throws when its parts cannot stand in one. */
  address(place: {
    readonly user: string;
    readonly host: string;
    readonly port: number;
    readonly directory: string;
  }): string;
  /** Says by which host key the server is known, unless it is known already. */
  pin(server: Server, key: Buffer): Promise<void>;
  /** Waits until the server lets us in, and makes its directory. */
  prepare(server: Server, timeoutMs: number, signal: AbortSignal): Promise<void>;
  /** Nothing more is wanted of it, or it is another one from now on. */
  release(server: Server): Promise<void>;
}
