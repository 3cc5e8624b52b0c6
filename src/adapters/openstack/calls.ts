/**
 * Requests to OpenStack's services with answers of a known shape. A session returns whatever JSON a service sends; what
 * has another shape is an error here, so that no other file has to doubt an answer.
 */
import type { z } from 'zod';
import {
  CloudError,
  type CloudRequest,
  type CloudResponse,
  type CloudSession,
  type Service,
} from './session/session.ts';

/**
 * Offered by every Nova since Pike (2017). From 2.26 lists filter by tags, and from 2.52 the call that creates a server
 * takes tags.
 */
const MICROVERSION = '2.52';
const PAGE = '500';
/** A project with more of one kind is not one that a CI should share. */
const MOST_PAGES = 40;

type Query = NonNullable<CloudRequest['query']>;

export class Calls {
  readonly session: CloudSession;

  constructor(session: CloudSession) {
    this.session = session;
  }

  async get<T>(
    service: Service,
    path: string,
    schema: z.ZodType<T>,
    signal: AbortSignal,
    query: Query = {},
  ): Promise<T> {
    const request = { method: 'GET', path, query } as const;
    return read(service, request, schema, await this.#send(service, request, signal));
  }

  async post<T>(
    service: Service,
    path: string,
    body: object,
    schema: z.ZodType<T>,
    signal: AbortSignal,
  ): Promise<T> {
    const request = { method: 'POST', path, body } as const;
    return read(service, request, schema, await this.#send(service, request, signal));
  }

  /** An action of Nova whose answer is empty. */
  async act(path: string, body: object, signal: AbortSignal): Promise<void> {
    await this.#send('compute', { method: 'POST', path, body }, signal);
  }

  /** Succeeds when there is no such resource. */
  async delete(service: Service, path: string, signal: AbortSignal): Promise<void> {
    await orNull(this.#send(service, { method: 'DELETE', path }, signal));
  }

  /**
   * All items of a list, page by page. @param schema of one page, as `{items, more}` @param idOf the marker that the next
   * page begins after
   */
  async all<T>(
    service: Service,
    path: string,
    schema: z.ZodType<Page<T>>,
    idOf: (item: T) => string,
    signal: AbortSignal,
    query: Query = {},
  ): Promise<readonly T[]> {
    const found: T[] = [];
    let marker: Query = {};
    for (let page = 0; page < MOST_PAGES; page += 1) {
      const { items, more } = await this.get(service, path, schema, signal, {
        ...query,
        limit: PAGE,
        ...marker,
      });
      found.push(...items);
      const last = items.at(-1);
      if (!more || last === undefined) return found;
      marker = { marker: idOf(last) };
    }
    throw new CloudError({
      kind: 'bad-answer',
      operation: `GET ${path}`,
      target: service,
      message: `the list has more than ${found.length} items`,
      hint: 'give sos-ci a project of its own',
      status: 200,
      mayHaveHappened: false,
      retryable: false,
    });
  }

  #send(service: Service, request: CloudRequest, signal: AbortSignal): Promise<CloudResponse> {
    const versioned = service === 'compute' ? { ...request, microversion: MICROVERSION } : request;
    return this.session.request(service, versioned, signal);
  }
}

/** Null: there is no such resource, or the cloud lacks the extension that has it. */
export async function orNull<T>(found: Promise<T>): Promise<T | null> {
  try {
    return await found;
  } catch (error) {
    if (error instanceof CloudError && error.kind === 'not-found') return null;
    throw error;
  }
}

export interface Page<T> {
  readonly items: readonly T[];
  /** True: there is another page. */
  readonly more: boolean;
}

function read<T>(
  service: Service,
  { method, path }: CloudRequest,
  schema: z.ZodType<T>,
  { status, body }: CloudResponse,
): T {
  const answer = schema.safeParse(body);
  if (answer.success) return answer.data;
  const [issue] = answer.error.issues;
  throw new CloudError({
    kind: 'bad-answer',
    operation: `${method} ${path}`,
    target: service,
    message: `answers ${status} without what the API promises: ${issue?.path.map(String).join('.') || 'the body'}: ${issue?.message ?? ''}`,
    hint: 'check that the endpoint in the catalogue is this service, and no proxy is before it',
    status,
    mayHaveHappened: method !== 'GET',
  });
}
