/**
 * Sends requests to OpenStack's services and validates the answers. A session returns whatever JSON a service sends;
 * here an answer of another form is an error, so that other files can rely on the answers.
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
 * Supported by every Nova since Pike (2017). Lists filter by tags from 2.26; a server is created with tags from 2.52.
 */
const MICROVERSION = '2.52';
const PAGE = '500';
/** A CI should not share a project that has more resources of one kind. */
const MAX_PAGES = 40;

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

  /** Runs an action of Nova that has an empty answer. */
  async act(path: string, body: object, signal: AbortSignal): Promise<void> {
    await this.#send('compute', { method: 'POST', path, body }, signal);
  }

  /** Succeeds when there is no such resource. */
  async delete(service: Service, path: string, signal: AbortSignal): Promise<void> {
    await orNull(this.#send(service, { method: 'DELETE', path }, signal));
  }

  /**
   * All items of a list, page by page. @param schema of one page, as `{items, more}` @param idOf returns the marker
   * after which the next page begins
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
    for (let page = 0; page < MAX_PAGES; page += 1) {
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
      kind: 'bad-response',
      operation: `GET ${path}`,
      target: service,
      message: `the list has more than ${found.length} items`,
      hint: 'give sos-ci a separate project',
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

/** Null: the resource does not exist, or the cloud lacks its API extension. */
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
    kind: 'bad-response',
    operation: `${method} ${path}`,
    target: service,
    message: `answers ${status} with an unexpected body: ${issue?.path.map(String).join('.') || 'the body'}: ${issue?.message ?? ''}`,
    hint: 'check that the endpoint in the catalogue is this service and not a proxy',
    status,
    mayHaveHappened: method !== 'GET',
  });
}
