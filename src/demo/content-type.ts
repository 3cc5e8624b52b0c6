/**
 * How a published file is announced to a browser. Logs are text whatever they hold, so that they open instead of being
 * downloaded; what a browser could run is only ever shown inside a sandbox (the server sees to that); what is not
 * known is bytes. Together with `nosniff` a browser does not guess.
 */

export interface ContentType {
  readonly type: string;
  /** The file is stored packed: a browser that takes gzip is shown what is inside. */
  readonly gzip: boolean;
}

const TEXT = 'text/plain; charset=utf-8';
const BYTES = 'application/octet-stream';

const TYPES: Readonly<Record<string, string>> = {
  html: 'text/html; charset=utf-8',
  htm: 'text/html; charset=utf-8',
  css: 'text/css; charset=utf-8',
  json: 'application/json',
  xml: 'text/xml; charset=utf-8',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpg: 'image/jpeg',
  jpeg: 'image/jpeg',
  gif: 'image/gif',
  webp: 'image/webp',
  pdf: 'application/pdf',
};

/** Endings of what a CI writes for people to read. */
const TEXT_EXTENSIONS = new Set(
  'log txt tap out err conf cfg ini yaml yml toml md rst csv diff patch sh py rc env'.split(' '),
);
const ARCHIVE_EXTENSIONS = new Set(
  'tar tgz zip xz bz2 zst 7z rar whl jar qcow2 img subunit bin core'.split(' '),
);

/** From the name alone. A name without an ending is text: console, syslog, local.conf's siblings. */
export function contentTypeOf(name: string): ContentType {
  const extensions = name.toLowerCase().split('.').slice(1);
  const last = extensions.at(-1);
  if (last !== 'gz') return { type: typeOf(last), gzip: false };
  const inner = extensions.at(-2);
  // A packed archive is for saving, not for looking into.
  if (inner !== undefined && ARCHIVE_EXTENSIONS.has(inner)) return { type: 'application/gzip', gzip: false };
  return { type: typeOf(inner), gzip: true };
}

function typeOf(extension: string | undefined): string {
  if (extension === undefined || TEXT_EXTENSIONS.has(extension)) return TEXT;
  if (/^\d+$/.test(extension)) return TEXT;
  return TYPES[extension] ?? BYTES;
}
