/**
 * A TCP proxy on loopback between a daemon and Gerrit. All that passes is encrypted, so what it breaks goes by bytes, or
 * by what Gerrit shows to others by then: each answer can be held back until somebody has looked.
 */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  /** Chunks of Gerrit's go one after the other, also while somebody looks. */
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

  /** Cuts the next connection that gets more than `bytes` from now on, after exactly that many. Resolves when it did. */
  cutAfter(bytes: number): Promise<void> {
    for (const pair of this.#pairs) pair.passed = 0;
    return new Promise((resolve) => {
      this.#rule = (chunk, pair) => {
        const room = bytes - pair.passed;
        pair.passed += chunk.length;
        if (chunk.length <= room) return forward(chunk, pair);
        this.heal();
        if (room > 0) pair.client.write(chunk.subarray(0, room));
        cut(pair);
        resolve();
      };
    });
  }

  /**
   * Before each answer of Gerrit's is passed on, `test` looks at the outside. Once it holds, nothing that Gerrit says
   * passes any more, until the proxy is healed. Resolves when the first answer is held back.
   */
  holdAnswersOnce(test: () => Promise<boolean>): Promise<void> {
    return new Promise((resolve) => {
      let holds = false;
      this.#rule = async (chunk, pair) => {
        holds ||= await test();
        if (holds) resolve();
        else forward(chunk, pair);
      };
    });
  }

  /** Everything passes from now on; what was held back is lost, and its connection is better cut. */
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
