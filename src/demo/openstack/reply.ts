/**
 * Answers of the embedded OpenStack, with the error format of each service: Nova and Cinder name the body after the
 * kind of error, Neutron has a type, Keystone a title, and Glance sends HTML.
 */

export type ServiceName = 'identity' | 'compute' | 'network' | 'image' | 'volume';

export interface ApiReply {
  readonly status: number;
  /** Sent as JSON; undefined: no body. */
  readonly body?: unknown;
  readonly html?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface ApiCall {
  readonly service: ServiceName;
  readonly method: string;
  /** Below the service's version, without a leading slash: `servers/detail`. */
  readonly path: string;
  readonly segments: readonly string[];
  readonly query: URLSearchParams;
  /** Parsed JSON; null without a body. */
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string | undefined>>;
}

/** Thrown by handlers to answer with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly reply: ApiReply;

  constructor(reply: ApiReply) {
    super(`answers ${reply.status}`);
    this.reply = reply;
  }
}

const KINDS: Readonly<Record<number, string>> = {
  400: 'badRequest',
  401: 'unauthorized',
  403: 'forbidden',
  404: 'itemNotFound',
  405: 'badMethod',
  409: 'conflictingRequest',
  413: 'overLimit',
  429: 'overLimit',
  503: 'serviceUnavailable',
};

/** An error of Nova or Cinder. */
export function computeError(status: number, message: string): ApiError {
  const kind = KINDS[status] ?? 'computeFault';
  return new ApiError({ status, body: { [kind]: { code: status, message } } });
}

/** Cinder's quota error. It asks for a retry, which cannot help. */
export function volumeQuotaError(message: string): ApiError {
  return new ApiError({
    status: 413,
    body: { overLimit: { code: 413, message, retryAfter: '0' } },
    headers: { 'retry-after': '0' },
  });
}

export function networkError(status: number, type: string, message: string): ApiError {
  return new ApiError({ status, body: { NeutronError: { type, message, detail: '' } } });
}

export function imageError(status: number, title: string, message: string): ApiError {
  return new ApiError({ status, html: htmlPage(status, title, message) });
}

export function identityError(status: number, title: string, message: string): ApiError {
  return new ApiError({ status, body: { error: { code: status, message, title } } });
}

/** An error page as WebOb writes it. */
function htmlPage(status: number, title: string, message: string): string {
  return `<html>
 <head>
  <title>${status} ${title}</title>
 </head>
 <body>
  <h1>${status} ${title}</h1>
  ${message}<br /><br />


 </body>
</html>`;
}

/** The members of a JSON object; empty for anything else. */
export function members(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}

export function items(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A JSON string; null for anything else. */
export function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}
