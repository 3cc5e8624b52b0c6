/**
 * Free TCP ports for a server that must know its port before it starts. They are below the kernel's ephemeral range, so
 * no process that binds to port 0 gets the same port in the meantime.
 */
import { randomInt } from 'node:crypto';
import { createServer } from 'node:net';

const FIRST = 12_000;
const LAST = 32_000;
const TRIES = 200;

export async function freePort(host: string): Promise<number> {
  for (let tried = 0; tried < TRIES; tried += 1) {
    const port = randomInt(FIRST, LAST);
    if (await isFree(host, port)) return port;
  }
  throw new Error(`no free port on ${host} between ${FIRST} and ${LAST}`);
}

function isFree(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}
