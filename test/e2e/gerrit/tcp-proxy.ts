/** A TCP proxy on loopback between the daemon and Gerrit, that breaks connections where a test says. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

interface Pair {
  readonly client: Socket;
  readonly server: Socket;
  sent: number;
}

/** Looks at what comes from Gerrit on one connection: how many of these bytes may still pass, or all of them (null). */
type Rule = (chunk: Buffer, pair: Readonly<Pair>) => number | 'all';

export class TcpProxy {
  readonly #server: Server;
  readonly #pairs = new Set<Pair>();
  #rule: Rule = () => 'all';
  #broken: () => void = () => {};

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

  get connections(): number {
    return this.#pairs.size;
  }

  /** Cuts the next connection that gets more than `bytes` at once or in a row, after that many. Resolves when it did. */
  cutAfter(bytes: number): Promise<void> {
    const seen = new Map<Readonly<Pair>, number>();
    return this.#breakOnce((chunk, pair) => {
      const before = seen.get(pair) ?? 0;
      seen.set(pair, before + chunk.length);
      return before + chunk.length > bytes ? Math.max(0, bytes - before) : 'all';
    });
  }

  /** From a client that sends more than `bytes`, everything is forwarded, and no answer comes back. Resolves then. */
  swallowAnswersAfter(bytes: number): Promise<void> {
    return new Promise((resolve) => {
      this.#rule = (_chunk, pair) => {
        if (pair.sent <= bytes) return 'all';
        resolve();
        return 0;
      };
    });
  }

  heal(): void {
    this.#rule = () => 'all';
  }

  cutAll(): void {
    for (const pair of this.#pairs) cut(pair);
  }

  async stop(): Promise<void> {
    this.cutAll();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #breakOnce(rule: Rule): Promise<void> {
    return new Promise((resolve) => {
      this.#rule = rule;
      this.#broken = () => {
        this.heal();
        resolve();
      };
    });
  }

  #accept(client: Socket, server: Socket): void {
    const pair: Pair = { client, server, sent: 0 };
    this.#pairs.add(pair);
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.#pairs.delete(pair);
        cut(pair);
      });
    }
    client.on('data', (chunk: Buffer) => {
      pair.sent += chunk.length;
      server.write(chunk);
    });
    server.on('data', (chunk: Buffer) => this.#back(chunk, pair));
  }

  #back(chunk: Buffer, pair: Pair): void {
    const passes = this.#rule(chunk, pair);
    if (passes === 'all') {
      pair.client.write(chunk);
      return;
    }
    if (passes > 0) pair.client.write(chunk.subarray(0, passes), () => cut(pair));
    const broken = this.#broken;
    this.#broken = () => {};
    broken();
  }
}

function cut(pair: Pair): void {
  pair.client.destroySoon();
  pair.server.destroy();
}
