/**
 * One server reached over SSH: at most one connection, shared by all callers and reopened after it was cut, with a
 * common backoff. Work must be idempotent: it is repeated after a cut, and it is unknown how far the first attempt got.
 */
import type { SshConfig } from '../../config/config.ts';
import type { ContactListener } from '../../engine/ports/adapters.ts';
import { AbortedError, OperationError, unlessAborted } from '../../errors.ts';
import { backoff } from '../../machines/model/backoff.ts';
import type { Server } from '../../machines/model/domain.ts';
import { formatLimit } from '../../machines/model/duration.ts';
import { after, type Cancel, sleep } from '../../timer.ts';
import { knownHostKeys } from '../openssh/host-key.ts';
import { readPrivateKey } from '../openssh/key-file.ts';
import { type NodeAddress, nodeName, parseAddress } from './address.ts';
import { detachContext } from './client/async-context.ts';
import type { SshClient } from './client/client.ts';
import { connectToNode } from './connection.ts';
import { NodeLost, NodeUnreachable } from './connection-failure.ts';
import { PinnedKey } from './pinned-key.ts';

export interface NodeTask {
  /** The purpose, in an operator's terms. */
  readonly operation: string;
  /** The total time, including the wait for an unreachable node. */
  readonly timeoutMs: number;
  /** True: the timeout runs only until `work` calls `alive`, and restarts when the connection is cut. */
  readonly outageOnly?: boolean;
  readonly onContact?: ContactListener;
  readonly signal: AbortSignal;
}

export type Work<T> = (connection: SshClient, signal: AbortSignal, alive: () => void) => Promise<T>;

export class Node {
  readonly address: NodeAddress;
  readonly config: SshConfig;
  readonly #stateDir: string;
  readonly #server: Server;
  readonly #closing = new AbortController();
  #connection: SshClient | null = null;
  #opening: Promise<SshClient> | null = null;
  #failures = 0;
  /** Epoch ms; null while it is connected, and before the first try. */
  #unreachableSince: number | null = null;
  #notBefore = 0;
  #users = 0;
  #cancelIdle: Cancel = () => {};

  constructor(stateDir: string, server: Server, config: SshConfig) {
    this.address = parseAddress(server.address);
    this.config = config;
    this.#stateDir = stateDir;
    this.#server = server;
  }

  /** Runs `work` on a connection, and again on the next one when the node became unreachable meanwhile. */
  async using<T>(task: NodeTask, work: Work<T>): Promise<T> {
    const deadline = new AbortController();
    const startDeadline = () => after(task.timeoutMs, () => deadline.abort());
    let cancelDeadline: Cancel | null = startDeadline();
    const alive = (): void => {
      if (task.outageOnly !== true || cancelDeadline === null) return;
      cancelDeadline();
      cancelDeadline = null;
    };
    const signal = AbortSignal.any([task.signal, deadline.signal, this.#closing.signal]);
    let last: NodeUnreachable | null = null;
    this.#begin();
    try {
      for (;;) {
        if (signal.aborted) throw this.#timeoutError(task, deadline.signal, last);
        try {
          const connection = await this.#connected(signal);
          last = null;
          task.onContact?.('back');
          return await work(connection, signal, alive);
        } catch (error) {
          // An error caused by this abort is not the cause to report. Any other error is, even when it occurs at the
          // same time.
          const cutOff = error instanceof AbortedError || error instanceof NodeUnreachable;
          if (signal.aborted && cutOff) throw this.#timeoutError(task, deadline.signal, last);
          if (!(error instanceof NodeUnreachable)) throw error;
          last = error;
          task.onContact?.('away');
          cancelDeadline ??= startDeadline();
          await sleep(this.config.backoffMinMs, signal);
        }
      }
    } finally {
      cancelDeadline?.();
      this.#end();
    }
  }

  /** The pinned host keys of the node. Empty before the first connection, unless one is configured. */
  async hostKeys(): Promise<readonly Buffer[]> {
    return (await this.#readPinned()).blobs;
  }

  /** Closes the connection and ends all work that uses it. */
  async close(): Promise<void> {
    this.#closing.abort();
    this.#cancelIdle();
    await this.#opening?.catch(() => {});
    await this.#connection?.close();
  }

  /** Shares the current connection attempt; a caller that gives up does not end it for the others. */
  #connected(signal: AbortSignal): Promise<SshClient> {
    if (this.#connection?.isOpen) return Promise.resolve(this.#connection);
    this.#opening ??= this.#open().finally(() => {
      this.#opening = null;
    });
    return unlessAborted(this.#opening, signal, 'connect to node', nodeName(this.address));
  }

  async #open(): Promise<SshClient> {
    const { signal } = this.#closing;
    await sleep(this.#notBefore - performance.now(), signal);
    const privateKey = await readPrivateKey(this.config.keyFile, {
      setting: `providers.${this.#server.provider}.ssh.key`,
      addTo: `to ~/.ssh/authorized_keys of ${this.address.user} on the node`,
    });
    const pinned = await this.#readPinned();
    try {
      const access = { address: this.address, privateKey, pinned, config: this.config };
      const connection = await detachContext(() => connectToNode(access, signal));
      const since = performance.now();
      connection.onClosed(() => this.#backOff(performance.now() - since));
      this.#connection = connection;
      this.#unreachableSince = null;
      return connection;
    } catch (error) {
      this.#backOff(0);
      throw error;
    }
  }

  #readPinned(): Promise<PinnedKey> {
    const { host, port } = this.address;
    const { knownHostsFile } = this.config;
    return PinnedKey.read(this.#stateDir, this.#server, nodeName(this.address), async () =>
      knownHostsFile === null ? [] : knownHostKeys(host, port, knownHostsFile),
    );
  }

  /** A connection that lasted longer than the maximum backoff resets the failure count. */
  #backOff(livedMs: number): void {
    if (this.#users > 0) this.#unreachableSince ??= Date.now();
    const { backoffMinMs, backoffMaxMs } = this.config;
    if (livedMs > backoffMaxMs) this.#failures = 0;
    const waitMs = backoff(this.#failures + 1, backoffMinMs, backoffMaxMs);
    this.#notBefore = performance.now() + waitMs;
    this.#failures += 1;
  }

  #begin(): void {
    this.#users += 1;
    this.#cancelIdle();
  }

  #end(): void {
    this.#users -= 1;
    if (this.#users > 0) return;
    this.#unreachableSince = null;
    const close = () => void this.#connection?.close();
    this.#cancelIdle = after(this.config.idleMs, close, { unref: true });
  }

  #timeoutError(task: NodeTask, deadline: AbortSignal, last: NodeUnreachable | null): OperationError {
    const target = nodeName(this.address);
    if (!deadline.aborted || task.signal.aborted || this.#closing.signal.aborted) {
      return new AbortedError(task.operation, target, last);
    }
    const limit = formatLimit(task.timeoutMs);
    const { outageOnly = false, operation } = task;
    const since = last === null ? null : this.#unreachableSince;
    const what =
      since === null
        ? `not done within ${limit}`
        : `the server has been unreachable since ${new Date(since).toISOString().slice(0, 19)}Z`;
    const fields = {
      operation,
      target,
      message: last === null ? what : `${what}; last error: ${last.message}`,
      retryable: true,
      hint: last?.hint ?? 'check whether the node is overloaded',
      unreachable: since !== null,
      cause: last,
    };
    return outageOnly ? new NodeLost(fields) : new OperationError(fields);
  }
}
