/**
 * A TCP proxy on loopback between a daemon and Gerrit. The traffic is encrypted, so it cuts a connection after a number
 * of bytes, or holds back responses once Gerrit's REST API shows a given state.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Keeps chunks from Gerrit in order while a rule is awaited. */
  turn: Promise<void>;
  /** Bytes from Gerrit since the rule was made. */
  passed: number;
}

type Rule = (chunk: Buffer, pair: Pair) => void | Promise<void>;

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #rule: Rule = forward;

  private constructor(host: string, target: number) {
    this.#server = createServer((client) => this.#accept(client, connect(target, host)));
  }

  static async start(host: string, target: number): Promise<TcpProxy> {
    const proxy = new TcpProxy(host, target);
    await new Promise<void>((resolve) => proxy.#server.listen(0, host, resolve));
    return proxy;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /**
   * Cuts the next connection that receives more than `bytes` from now on, after exactly that many. Resolves on the cut.
   */
  cutAfter(bytes: number): Promise<void> {
    for (const pair of this.#pairs) pair.passed = 0;
    return new Promise((resolve) => {
      this.#rule = (chunk, pair) => {
        const remaining = bytes - pair.passed;
        pair.passed += chunk.length;
        if (chunk.length <= remaining) return forward(chunk, pair);
        this.heal();
        if (remaining > 0) pair.client.write(chunk.subarray(0, remaining));
        cut(pair);
        resolve();
      };
    });
  }

  /**
   * Calls `test` before each chunk from Gerrit is forwarded. Once it returns true, nothing from Gerrit is forwarded
   * until `heal()`. Resolves when the first chunk is held back.
   */
  holdResponsesWhen(test: () => Promise<boolean>): Promise<void> {
    return new Promise((resolve) => {
      let holding = false;
      this.#rule = async (chunk, pair) => {
        holding ||= await test();
        if (holding) resolve();
        else forward(chunk, pair);
      };
    });
  }

  /** Forwards everything from now on. Chunks that were held back are lost, so cut their connections as well. */
  heal(): void {
    this.#rule = forward;
  }

  cutAll(): void {
    for (const pair of this.#pairs) cut(pair);
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #accept(client: Socket, server: Socket): void {
    const pair: Pair = { client, server, turn: Promise.resolve(), passed: 0 };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      // Its close follows.
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        void pair.turn.then(() => cut(pair));
      });
    }
    client.on('data', (chunk: Buffer) => server.write(chunk));
    server.on('data', (chunk: Buffer) => {
      pair.turn = pair.turn.then(() => this.#rule(chunk, pair));
    });
  }
}

function forward(chunk: Buffer, { client }: Pair): void {
  if (client.writable) client.write(chunk);
}

function cut({ client, server }: Pair): void {
  client.destroySoon();
  server.destroySoon();
}
