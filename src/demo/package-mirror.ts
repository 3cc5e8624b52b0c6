/**
 * A package mirror on loopback from which the sample project installs a package. It can go down. It counts fetches by job, so
 * that a stage that runs twice is visible from outside.
 */
import { readFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';

const PACKAGES = new URL('./packages/', import.meta.url);

export class PackageMirror {
  /** Fetches by job id. */
  readonly fetches = new Map<string, number>();
  #server: Server | null = null;
  #port = 0;

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Listens on a free port the first time, and on the same port afterwards. */
  open(): Promise<void> {
    const server = createServer((request, response) => {
      const url = new URL(request.url ?? '/', this.url);
      const name = /^\/([a-z0-9-]+(?:\.[a-z0-9]+)*\.mjs)$/.exec(url.pathname)?.[1];
      if (name === undefined) {
        response.writeHead(404).end();
        return;
      }
      const job = url.searchParams.get('job') ?? '';
      this.fetches.set(job, (this.fetches.get(job) ?? 0) + 1);
      readFile(fileURLToPath(new URL(name, PACKAGES))).then(
        (bytes) => response.writeHead(200, { 'Content-Type': 'text/javascript' }).end(bytes),
        () => response.writeHead(404).end(),
      );
    });
    this.#server = server;
    return new Promise((resolve, reject) => {
      server.on('error', reject);
      server.listen(this.#port, '127.0.0.1', () => {
        this.#port = (server.address() as AddressInfo).port;
        resolve();
      });
    });
  }

  /** Goes down: refuses connections. */
  close(): Promise<void> {
    const server = this.#server;
    this.#server = null;
    if (server === null) return Promise.resolve();
    return new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    });
  }
}
