/** `gerrit`: the server and the account. Without `rest` and `fetchUrl`, everything goes over SSH. */
import { z } from 'zod';
import type { GerritConfig, RestConfig } from '../config.ts';
import { FieldError } from '../fields/field-error.ts';
import { duration, integer, optionalText, secretSource, text } from '../fields/fields.ts';
import { PASSWORD_HINT, resolveSource } from '../fields/password.ts';
import { hostName, oneWord, siteAddress } from '../fields/validators.ts';

const rest = z.strictObject({
  url: text({
    kind: 'web address',
    check: siteAddress,
    about:
      'address of the Gerrit site, such as https://review.opendev.org; reviews and catch-up queries go there instead of over SSH',
  }),
  password: secretSource({
    about: "the account's HTTP password, alone in a file of mode 600 or in a variable of the daemon",
    hint: PASSWORD_HINT,
  }),
  caFile: optionalText({
    kind: 'path',
    about: "CA certificates (PEM) for the site, used instead of the system's",
  }),
});

export const gerrit = z.strictObject({
  host: text({ kind: 'host name', check: hostName, about: 'the Gerrit server' }),
  port: integer({ default: 29418, min: 1, max: 65535, about: "Gerrit's SSH port" }),
  user: text({ check: oneWord, about: "the CI account's user name in Gerrit" }),
  name: optionalText({
    kind: 'display name',
    about:
      "the account's display name, such as Acme CI: the comment `run-Acme CI` starts its jobs, as does `run-USER`",
  }),
  key: text({ kind: 'path', about: 'the private SSH key of that account, without passphrase' }),
  knownHosts: text({
    kind: 'path',
    default: '~/.ssh/known_hosts',
    about: "known_hosts file with the server's host key",
  }),
  rest: rest.optional(),
  fetchUrl: optionalText({
    kind: 'address with {project}',
    check: fetchAddress,
    about: 'where patchsets are fetched from; by default the same Gerrit over SSH with the same key',
  }),
  commandTimeout: duration({ default: '1m', min: '1s', about: 'for one query or one review' }),
  streamIdleTimeout: duration({
    default: '5m',
    min: '1s',
    about: 'after this long without an event the daemon checks that the stream is still alive',
  }),
  postSettleTimeout: duration({
    default: '2m',
    min: '0s',
    about:
      'after the connection breaks during a post: how long to wait for the review to arrive before checking for it',
  }),
});

/** Constants that need no configuration. */
const LIMITS = {
  /** TCP, handshake and login together. */
  connectTimeoutMs: 20_000,
  /** Below the idle timeout of common firewalls. Three missed keepalives end a dead connection after 45 s. */
  keepaliveMs: 15_000,
  keepaliveMax: 3,
  /** The waits between reconnects double from the first to the longest. */
  backoffMinMs: 1_000,
  backoffMaxMs: 15_000,
  /** Far above the longest event that Gerrit sends. The event of a longer line is queried instead. */
  maxEventBytes: 8 * 1024 ** 2,
  /** A wrong host key, a wrong key or a missing permission needs an operator, so an earlier retry is useless. */
  authRetryIntervalMs: 600_000,
  closeTimeoutMs: 1_000,
  /** Some sites allow only a few connections per account. */
  maxConcurrentReviews: 4,
  /** All queries share one connection. */
  maxConcurrentQueries: 4,
  idleMs: 60_000,
  /** Gerrit's index lags behind an upload; within this time nothing counts as missing. */
  indexLagMs: 10_000,
  /** A patchset that touches more files matches every pattern. */
  maxFiles: 1_000,
  maxResponseBytes: 64 * 1024 ** 2,
} as const;

const REST_LIMITS = {
  /** Keeps an idle connection for the next post of a burst. */
  idleMs: 15_000,
  /** A busy site may request a longer wait (Retry-After); the post is retried after this one anyway. */
  maxRetryAfterMs: 60_000,
} as const;

type GerritFile = z.output<typeof gerrit>;

export function buildGerrit(file: GerritFile, path: (path: string) => string): GerritConfig {
  return {
    ...LIMITS,
    host: file.host,
    port: file.port,
    user: file.user,
    keyFile: path(file.key),
    knownHostsFile: path(file.knownHosts),
    streamIdleTimeoutMs: file.streamIdleTimeout,
    commandTimeoutMs: file.commandTimeout,
    postSettleTimeoutMs: file.postSettleTimeout,
    rest: file.rest === undefined ? null : buildRest(file.rest, file.user, path),
    fetchUrl: file.fetchUrl,
  };
}

function buildRest(file: z.output<typeof rest>, user: string, path: (path: string) => string): RestConfig {
  return {
    ...REST_LIMITS,
    url: file.url.replace(/\/+$/, ''),
    user,
    password: resolveSource(file.password, path),
    caFile: file.caFile === null ? null : path(file.caFile),
  };
}

function fetchAddress(value: string): FieldError | null {
  if (!value.includes('{project}'))
    return new FieldError('has no {project} in it', 'write it where the project belongs');
  if (!/^(ssh|https?|file):\/\/\S+$/.test(value))
    return new FieldError('must begin with ssh://, https://, http:// or file://');
  return /^https?:\/\/[^/]*@/.test(value)
    ? new FieldError('holds a user or password', 'secrets do not belong in this file')
    : null;
}
