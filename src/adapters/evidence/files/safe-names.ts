/**
 * Converts untrusted file names for use in a path on our disk, in a URL and on a web server; and validates path
 * segments from our own configuration. Guarantees: a name from `StoredNames` contains only letters, digits and
 * `._+@=,~-`, never begins with a dot (a web server obeys `.htaccess`), never exceeds the limits of a URL or a file system,
 * and is unique for each file.
 */
import { createHash } from 'node:crypto';
import { OperationError } from '../../../errors.ts';

const MAX_SEGMENT = 120;
/** Together with the directories above it and `.html`, a path fits into the 1,024 bytes of a Swift object name. */
const MAX_PATH = 700;
const OWN_SEGMENT = /^[\p{L}\p{N}_][\p{L}\p{N}._+@=,~-]*$/u;
const JOB_ID = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;

/** The segments of a path that a job names as evidence, or why the path is invalid. */
export function evidencePath(path: string): readonly string[] | { readonly why: string } {
  if (path === '') return { why: 'the path is empty' };
  if (path.startsWith('/')) return { why: 'the path is not relative to the work tree' };
  if (path.includes('\0')) return { why: 'the path contains a NUL character' };
  const segments = path.split('/').filter((segment) => segment !== '' && segment !== '.');
  if (segments.includes('..')) return { why: 'the path leads out of the work tree' };
  return segments;
}

export function isJobId(name: string): boolean {
  return JOB_ID.test(name);
}

/** Validates a job's id as a path segment. Anything else is a bug or a forged row, and is refused. */
export function checkJobId(job: string): string {
  if (isJobId(job)) return job;
  throw refused('job id', job, 'at most 128 letters, digits, dots, underscores and hyphens');
}

/** Validates a value of the configuration as a path segment. */
export function checkSegment(what: string, value: string): string {
  if (OWN_SEGMENT.test(value) && Buffer.byteLength(value) <= 200) return value;
  throw refused(
    what,
    value,
    'at most 200 bytes: letters, digits and ._+@=,~- (the first one a letter, digit or underscore)',
  );
}

/** Assigns each source path its stored path; repeated calls return the same path. */
export class StoredNames {
  readonly #clean: (text: string) => string;
  readonly #stored = new Map<string, string>();
  readonly #taken = new Set<string>();
  /** Counts the requests for each path, so that thousands of names that map to the same one need no linear search. */
  readonly #copies = new Map<string, number>();

  /** @param clean removes secrets from a text */
  constructor(clean: (text: string) => string) {
    this.#clean = clean;
  }

  /** `parent` is the `path` of an earlier call, or one of our own directories. */
  assign(
    parent: string,
    sourceParent: string,
    name: string,
  ): { readonly path: string } | { readonly why: string } {
    const source = `${sourceParent}/${name}`;
    const assigned = this.#stored.get(source);
    if (assigned !== undefined) return { path: assigned };
    const path = this.#free(parent, storedName(this.#clean(name)));
    if (path.length > MAX_PATH) return { why: 'its path is too long' };
    if (this.#clean(path) !== path) return { why: 'its path contains a secret' };
    this.#stored.set(source, path);
    this.#taken.add(path);
    return { path };
  }

  #free(parent: string, name: string): string {
    const first = `${parent}/${name}`;
    for (;;) {
      const copy = (this.#copies.get(first) ?? 0) + 1;
      this.#copies.set(first, copy);
      const path = copy === 1 ? first : `${parent}/${numbered(name, copy)}`;
      if (!this.#taken.has(path)) return path;
    }
  }
}

/**
 * Extensions that web servers or browsers treat as pages, scripts or programs. Apache looks at each extension of a name, so
 * `x.php.log` is as dangerous as `x.php`.
 */
const ACTIVE_EXTENSION =
  /\.(?=(?:[dpsx]?html?|xht|phtm|php\d*|phps|phar|pht|cgi|fcgi|pl|py|rb|lua|asp|aspx|jsp|jspx|svgz?|xml|xslt?|xsd|rdf|rss|atom|xul|xbl|mml|mathml|mht|mhtml|[cm]?js|css|wasm|swf|pdf|hta|htc|shtm|var|map|asis|appcache|webmanifest)(?:[.~]|$))/gi;

/**
 * Sanitizes one name. What a job wrote is never served as a page: `report.html` is stored as `report_html.txt`, and
 * only our pages end in `.html`. Two names may map to the same one: `StoredNames` distinguishes them.
 */
function storedName(original: string): string {
  const name = original.replace(ACTIVE_EXTENSION, '_');
  const passive = lastExtension(name) === lastExtension(original) ? name : `${name}.txt`;
  // The page of a log with this name would be the index page of its directory.
  const free = passive === 'index' ? 'index.txt' : passive;
  return shortened(original, free.replace(/[^A-Za-z0-9._+@=,~-]/gu, '_').replace(/^\./, '_.'));
}

function lastExtension(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

function shortened(name: string, plain: string): string {
  if (plain.length <= MAX_SEGMENT && plain !== '') return plain;
  const digest = createHash('sha256').update(name, 'utf8').digest('hex').slice(0, 8);
  const extension = /(\.[A-Za-z0-9]{1,5}){1,2}$/.exec(plain)?.[0] ?? '';
  return `${plain.slice(0, MAX_SEGMENT - extension.length - digest.length - 1)}~${digest}${extension}`;
}

/** Inserts the copy number: `stack.log`, 2 becomes `stack~2.log`. */
function numbered(name: string, copy: number): string {
  const dot = name.indexOf('.', 1);
  return dot === -1 ? `${name}~${copy}` : `${name.slice(0, dot)}~${copy}${name.slice(dot)}`;
}

function refused(what: string, value: string, allowed: string): OperationError {
  return new OperationError({
    operation: 'name evidence',
    target: JSON.stringify(value.slice(0, 200)),
    message: `the ${what} cannot be part of a path: ${JSON.stringify(value.slice(0, 200))}`,
    retryable: false,
    hint: `use ${allowed}`,
  });
}
