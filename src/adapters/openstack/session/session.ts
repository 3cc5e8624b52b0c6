/**
 * The session for calls to Keystone, Nova, Neutron, Glance, Cinder and Swift: it authenticates and sends one request to one
 * service. Its errors have a kind that says why the service refused a request.
 */
import type { Readable } from 'node:stream';
import { OperationError } from '../../../errors.ts';

export type Service = 'identity' | 'compute' | 'network' | 'image' | 'volume' | 'object';

export interface CloudRequest {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE' | 'PATCH';
  /** Relative to the service's versioned endpoint, without a leading slash, URL-encoded: `servers/detail`. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string | readonly string[]>>;
  /** Sent as JSON; undefined sends no body. */
  readonly body?: unknown;
  /** The content of an object, sent as it is instead of a body. Sending it again must be harmless. */
  readonly content?: { readonly bytes: number; open(): Readable };
  readonly headers?: Readonly<Record<string, string>>;
  /** The response is text, not JSON. */
  readonly text?: boolean;
  /** Compute only: the microversion of this call, such as `2.52`. */
  readonly microversion?: string;
}

export interface CloudResponse {
  readonly status: number;
  readonly headers: Headers;
  /** Parsed JSON, or text if the request says so; null when the response is empty. */
  readonly body: unknown;
}

/** The scope of a session's token. Key pairs belong to the user, everything else to the project. */
export interface CloudScope {
  readonly projectId: string;
  readonly projectName: string;
  /** The domain of the project. */
  readonly domainName: string;
  /** Keystone's v3 API, without a slash at the end. */
  readonly authUrl: string;
  readonly userId: string;
  readonly userName: string;
  readonly region: string | null;
}

export interface CloudSession {
  /** Gets a token if there is none, and checks its scope. @throws CloudError, or OperationError for the credentials */
  login(signal: AbortSignal): Promise<CloudScope>;
  /** Resolves for 2xx. @throws CloudError for every other response and for transport failures */
  request(service: Service, request: CloudRequest, signal: AbortSignal): Promise<CloudResponse>;
  /** Closes idle connections. */
  close(): void;
}

/**
 * - `quota`: the project's limit is reached.
 * - `rate-limited`: the service requires a delay (429).
 * - `unauthorized`: the credentials are refused, even with a new token.
 * - `unavailable`: 5xx.
 * - `bad-response`: not in the form of the API: HTML, a truncated response, one that is too long.
 * - `unreachable`: no response: name resolution, network, TLS or deadline.
 */
export type CloudErrorKind =
  | 'quota'
  | 'rate-limited'
  | 'not-found'
  | 'conflict'
  | 'bad-request'
  | 'forbidden'
  | 'unauthorized'
  | 'unavailable'
  | 'bad-response'
  | 'unreachable';

export interface CloudErrorFields {
  readonly kind: CloudErrorKind;
  /** `POST servers` */
  readonly operation: string;
  /** The service and its address. */
  readonly target: string;
  /** The service's message, bounded and without secrets. */
  readonly message: string;
  readonly hint: string;
  /** HTTP status; null when no response came. */
  readonly status: number | null;
  /** True when the request may have taken effect. */
  readonly mayHaveHappened: boolean;
  /** From Retry-After, bounded; null without one. */
  readonly retryAfterMs?: number | null;
  /** By default the kind decides. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

const RETRYABLE: ReadonlySet<CloudErrorKind> = new Set<CloudErrorKind>([
  'quota',
  'rate-limited',
  'unavailable',
  'bad-response',
  'unreachable',
]);

/** An OpenStack service refused a request, or did not respond. */
export class CloudError extends OperationError {
  readonly kind: CloudErrorKind;
  readonly status: number | null;
  readonly mayHaveHappened: boolean;
  readonly retryAfterMs: number | null;

  constructor({ kind, status, mayHaveHappened, retryAfterMs = null, ...fields }: CloudErrorFields) {
    super({ retryable: RETRYABLE.has(kind), ...fields });
    this.kind = kind;
    this.status = status;
    this.mayHaveHappened = mayHaveHappened;
    this.retryAfterMs = retryAfterMs;
  }
}
