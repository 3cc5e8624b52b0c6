/**
 * The content type of a published file. Logs are always text, so that browsers show them; the server puts pages into a
 * sandbox; unknown types are bytes. With `nosniff`, browsers do not guess.
 */

export interface ContentType {
  readonly type: string;
  /** The file is stored gzipped; a browser that accepts gzip shows its content. */
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

/** Extensions of text files that CIs write. */
const TEXT_EXTENSIONS = new Set(
  'log txt tap out err conf cfg ini yaml yml toml md rst csv diff patch sh py rc env'.split(' '),
);
const ARCHIVE_EXTENSIONS = new Set(
  'tar tgz zip xz bz2 zst 7z rar whl jar qcow2 img subunit bin core'.split(' '),
);

/** By name only. A name without an extension is text, such as console or syslog. */
export function contentTypeOf(name: string): ContentType {
  const extensions = name.toLowerCase().split('.').slice(1);
  const last = extensions.at(-1);
  if (last !== 'gz') return { type: typeOf(last), gzip: false };
  const inner = extensions.at(-2);
  // Browsers should save an archive, not unpack it.
  if (inner !== undefined && ARCHIVE_EXTENSIONS.has(inner)) return { type: 'application/gzip', gzip: false };
  return { type: typeOf(inner), gzip: true };
}

function typeOf(extension: string | undefined): string {
  if (extension === undefined || TEXT_EXTENSIONS.has(extension)) return TEXT;
  if (/^\d+$/.test(extension)) return TEXT;
  return TYPES[extension] ?? BYTES;
}
