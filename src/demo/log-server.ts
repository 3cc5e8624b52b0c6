/**
 * A small static web server for published evidence: for the demo, not for the Internet. Serves GET and HEAD only; nothing
 * outside of its root, no links, and no names that start with a dot (unfinished publications). Files are untrusted, so pages
 * run in a sandbox without scripts, and browsers must not guess types. Limits connections and waits. `close` ends open
 * downloads too.
 */
import type { FileHandle } from 'node:fs/promises';
import { realpath } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Directory, errorCode } from '../adapters/evidence/files/dir-handle.ts';
import { asFailure } from '../adapters/evidence/files/fs-error.ts';
import { readChunks } from '../adapters/evidence/files/new-file.ts';
import { INDEX } from '../adapters/evidence/publish/manifest.ts';
import { contentTypeOf } from './content-type.ts';

export interface LogServerOptions {
  readonly dir: string;
  /** 0: any free port. */
  readonly port: number;
  /** Default: loopback. */
  readonly host?: string;
}

export interface LogServer {
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

const MAX_CONNECTIONS = 64;
const HEADERS_TIMEOUT_MS = 10_000;
const KEEP_ALIVE_MS = 5_000;
/** Closes a connection that is idle for this long. */
const IDLE_TIMEOUT_MS = 60_000;
const MAX_SEGMENTS = 64;

const SECURITY_HEADERS = {
  'X-Content-Type-Options': 'nosniff',
  'Content-Security-Policy':
    "sandbox allow-downloads; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
  'Referrer-Policy': 'no-referrer',
  'Cache-Control': 'no-cache',
};

/** Serves a directory until it is closed. */
export async function startLogServer(options: LogServerOptions): Promise<LogServer> {
  const { dir, port, host = '127.0.0.1' } = options;
  let root: Directory;
  try {
    root = await Directory.at(await realpath(dir));
  } catch (error) {
    throw asFailure('serve logs', dir, error);
  }
  const closing = new AbortController();
  const server = createServer({ keepAliveTimeout: KEEP_ALIVE_MS }, (request, response) => {
    respond(root, request, response, closing.signal).catch(() => response.destroy());
  });
  server.maxConnections = MAX_CONNECTIONS;
  server.headersTimeout = HEADERS_TIMEOUT_MS;
  server.requestTimeout = HEADERS_TIMEOUT_MS;
  server.timeout = IDLE_TIMEOUT_MS;
  try {
    await listening(server, port, host);
  } catch (error) {
    await root.close();
    throw asFailure('serve logs', `${host}:${port}`, error);
  }
  const { port: bound } = server.address() as AddressInfo;
  let closed: Promise<void> | null = null;
  return {
    url: `http://${host.includes(':') ? `[${host}]` : host}:${bound}`,
    close: () => {
      closed ??= closeAll(server, closing, root);
      return closed;
    },
  };
}

function listening(server: Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

async function closeAll(server: Server, closing: AbortController, root: Directory): Promise<void> {
  closing.abort();
  await new Promise<void>((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
  await root.close();
}

async function respond(
  root: Directory,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return respondText(request, response, 405, 'Only GET and HEAD.');
  }
  const path = (request.url ?? '').split('?', 1)[0] ?? '';
  const names = parsePath(path);
  const opened = names === null ? null : await lookUp(root, names, path.endsWith('/'));
  if (opened === null) return respondText(request, response, 404, 'Not found.');
  if (opened === 'directory') {
    response.setHeader('Location', `/${(names ?? []).map(encodeURIComponent).join('/')}/`);
    return respondText(request, response, 301, 'Moved to the directory.');
  }
  try {
    await send(opened, request, response, closing);
  } finally {
    await opened.file.close();
  }
}

interface OpenedFile {
  readonly name: string;
  readonly file: FileHandle;
  readonly size: number;
}

/** Null: missing or not allowed. `directory`: the address lacks the trailing slash. */
async function lookUp(
  parent: Directory,
  names: readonly string[],
  slash: boolean,
): Promise<OpenedFile | 'directory' | null> {
  const [name, ...rest] = names;
  if (name === undefined) return openRegular(parent, INDEX);
  try {
    const child = await parent.enter(name);
    return await child.using(async () => {
      if (rest.length > 0 || slash) return lookUp(child, rest, slash);
      return 'directory';
    });
  } catch (error) {
    if (errorCode(error) === 'ENOTDIR') return rest.length === 0 && !slash ? openRegular(parent, name) : null;
    if (NOT_FOUND_CODES.includes(errorCode(error))) return null;
    throw error;
  }
}

const NOT_FOUND_CODES = ['ENOENT', 'EACCES', 'EPERM', 'ELOOP', 'ENAMETOOLONG', 'ENXIO', 'ENOTDIR'];

async function openRegular(parent: Directory, name: string): Promise<OpenedFile | null> {
  let file: FileHandle;
  try {
    file = await parent.openFile(name);
  } catch (error) {
    if (NOT_FOUND_CODES.includes(errorCode(error))) return null;
    throw error;
  }
  const stat = await file.stat();
  if (stat.isFile()) return { name, file, size: stat.size };
  await file.close();
  return null;
}

/** The segments of a path; null for a path that could leave the root. */
function parsePath(path: string): readonly string[] | null {
  if (!path.startsWith('/')) return null;
  const encoded = path.slice(1).replace(/\/$/, '');
  if (encoded === '') return [];
  const names: string[] = [];
  for (const segment of encoded.split('/')) {
    const name = decodeSegment(segment);
    if (name === null || name === '' || name.startsWith('.') || /[/\0]/.test(name)) return null;
    names.push(name);
  }
  return names.length > MAX_SEGMENTS ? null : names;
}

function decodeSegment(segment: string): string | null {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

async function send(
  opened: OpenedFile,
  request: IncomingMessage,
  response: ServerResponse,
  closing: AbortSignal,
): Promise<void> {
  const { type, gzip } = contentTypeOf(opened.name);
  const sendGzip = gzip && /\bgzip\b/.test(String(request.headers['accept-encoding'] ?? ''));
  response.writeHead(200, {
    ...SECURITY_HEADERS,
    'Content-Type': gzip && !sendGzip ? 'application/gzip' : type,
    'Content-Length': opened.size,
    ...(sendGzip ? { 'Content-Encoding': 'gzip' } : {}),
    ...(gzip ? { Vary: 'Accept-Encoding' } : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  await pipeline(Readable.from(chunks(opened, closing), { objectMode: false }), response);
}

/** Copies each chunk, because the response may still use it while the next one is read. */
async function* chunks(opened: OpenedFile, closing: AbortSignal): AsyncGenerator<Buffer> {
  for await (const chunk of readChunks(opened.file, opened.size, closing)) yield Buffer.from(chunk);
}

function respondText(request: IncomingMessage, response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, {
    ...SECURITY_HEADERS,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': text.length + 1,
  });
  response.end(request.method === 'HEAD' ? undefined : `${text}\n`);
}
