/** One container of Swift, with the requests that publishing needs. Swift deletes each object when it expires. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { OperationError } from '../../../errors.ts';
import { CloudError, type CloudRequest, type CloudSession } from '../../openstack/session/session.ts';

/** An object, or a directory of objects, whose path then ends in a slash. */
export interface Entry {
  readonly path: string;
  readonly bytes: number;
  /** MD5 in hexadecimal; '' for a directory. */
  readonly md5: string;
  /** Epoch ms; null for a directory. */
  readonly modifiedAt: number | null;
}

/** What an object gets. */
export interface Content {
  readonly bytes: number;
  readonly md5: string;
  /** May be called again, for a retry. */
  open(): Readable;
}

export interface ObjectType {
  readonly type: string;
  readonly encoding?: string;
}

/** More than all evidence of a job; the bound of one listing. */
const MAX_ENTRIES = 1_000_000;
/** No cluster has shorter pages, so a page with fewer entries is the last one. */
const SHORTEST_PAGE = 100;
const listing = z.array(
  z.union([
    z.object({ subdir: z.string() }),
    z.object({ name: z.string(), bytes: z.number(), hash: z.string(), last_modified: z.string() }),
  ]),
);

export class Container {
  readonly name: string;
  readonly #session: CloudSession;
  readonly #deleteAfterMs: number;
  readonly #signal: AbortSignal;

  /** @param deleteAfterMs 0: never */
  constructor(session: CloudSession, name: string, deleteAfterMs: number, signal: AbortSignal) {
    this.name = name;
    this.#session = session;
    this.#deleteAfterMs = deleteAfterMs;
    this.#signal = signal;
  }

  /** All objects below a prefix; with a delimiter, only those of this directory, and its subdirectories. */
  async list(prefix: string, delimiter?: '/'): Promise<readonly Entry[]> {
    const found: Entry[] = [];
    const more = delimiter === undefined ? {} : { delimiter };
    for (let marker = ''; ; ) {
      const query = { format: 'json', prefix, marker, ...more };
      const { body } = await this.#request({ method: 'GET', path: encodeURIComponent(this.name), query });
      const page = listing.safeParse(body ?? []).data;
      if (page === undefined || found.length > MAX_ENTRIES) throw this.#unusable(prefix);
      const entries = page.map(entryOf);
      found.push(...entries);
      if (entries.length < SHORTEST_PAGE) return found;
      marker = entries.at(-1)?.path ?? '';
    }
  }

  /** Null: there is no such object. */
  async read(path: string): Promise<string | null> {
    try {
      const { body } = await this.#request({ method: 'GET', path: this.#path(path), text: true });
      return typeof body === 'string' ? body : '';
    } catch (error) {
      return nullIfMissing(error);
    }
  }

  async put(path: string, content: Content, { type, encoding }: ObjectType): Promise<void> {
    const headers = {
      'content-type': type,
      etag: content.md5,
      ...(encoding === undefined ? {} : { 'content-encoding': encoding }),
      ...this.#expiry(),
    };
    try {
      await this.#request({ method: 'PUT', path: this.#path(path), headers, content });
    } catch (error) {
      throw damaged(error, path) ?? error;
    }
  }

  /** False: the object exists. */
  async create(path: string, content: Content, { type }: ObjectType): Promise<boolean> {
    const headers = { 'content-type': type, 'if-none-match': '*', ...this.#expiry() };
    try {
      await this.#request({ method: 'PUT', path: this.#path(path), headers, content });
      return true;
    } catch (error) {
      if (error instanceof CloudError && error.status === 412) return false;
      throw error;
    }
  }

  async remove(path: string): Promise<void> {
    await this.#request({ method: 'DELETE', path: this.#path(path) }).catch(nullIfMissing);
  }

  #expiry(): Readonly<Record<string, string>> {
    const seconds = Math.ceil(this.#deleteAfterMs / 1000);
    return seconds === 0 ? {} : { 'x-delete-after': String(seconds) };
  }

  #path(path: string): string {
    return [this.name, ...path.split('/')].map(encodeURIComponent).join('/');
  }

  #request(request: CloudRequest) {
    // Each request listens to a signal of its own: Node warns of more than ten listeners.
    const signal = AbortSignal.any([this.#signal]);
    return this.#session.request('object', request, signal).catch((error: unknown) => {
      // A missing object gets the same answer, which the callers handle.
      if (request.method === 'PUT' || request.query !== undefined) throw this.#missing(error) ?? error;
      throw error;
    });
  }

  #missing(error: unknown): OperationError | null {
    if (!(error instanceof CloudError) || error.kind !== 'not-found') return null;
    return new OperationError({
      operation: 'publish evidence',
      target: error.target,
      message: `there is no container ${this.name} in this project`,
      // Swift says so too while its account servers are down.
      retryable: true,
      hint: `create it, readable for everyone: openstack container create --public ${this.name}`,
      cause: error,
    });
  }

  #unusable(prefix: string): OperationError {
    return new OperationError({
      operation: 'publish evidence',
      target: `${this.name}/${prefix}`,
      message: 'the listing of the container is too long, or was not sent by Swift',
      retryable: false,
      hint: 'check that the endpoint of object-store in the catalogue is Swift',
    });
  }
}

function entryOf(item: z.output<typeof listing>[number]): Entry {
  if ('subdir' in item) return { path: item.subdir, bytes: 0, md5: '', modifiedAt: null };
  const { name, bytes, hash, last_modified: modified } = item;
  const at = Date.parse(modified.endsWith('Z') ? modified : `${modified}Z`);
  return { path: name, bytes, md5: hash, modifiedAt: Number.isNaN(at) ? null : at };
}

function nullIfMissing(error: unknown): null {
  if (error instanceof CloudError && error.kind === 'not-found') return null;
  throw error;
}

/** Swift compares the checksum. */
function damaged(error: unknown, path: string): OperationError | null {
  if (!(error instanceof CloudError) || error.status !== 422) return null;
  const { operation, target } = error;
  const message = `${path} has a different checksum in Swift`;
  return new OperationError({
    operation,
    target,
    message,
    retryable: true,
    hint: 'check the network',
    cause: error,
  });
}

export function textContent(text: string): Content {
  const data = Buffer.from(text, 'utf8');
  const md5 = createHash('md5').update(data).digest('hex');
  return { bytes: data.length, md5, open: () => Readable.from([data]) };
}

export async function fileContent(path: string, signal: AbortSignal): Promise<Content> {
  const { size } = await stat(path);
  const hash = createHash('md5');
  for await (const chunk of createReadStream(path, { signal })) hash.update(chunk);
  return { bytes: size, md5: hash.digest('hex'), open: () => createReadStream(path) };
}
