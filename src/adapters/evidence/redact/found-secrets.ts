/**
 * Finds secrets that the configuration does not name: values of keys such as `password`, `san_login` or `transport_url`
 * in the formats of oslo.config, YAML, JSON and shells, passwords in URLs, and private keys. Guarantees: memory is
 * bounded for any content; the result does not depend on chunk boundaries. It guards against accidents only: a job can
 * always disguise a secret.
 */

export interface FoundSecrets {
  /** Removed wherever they occur, in all forms. */
  readonly values: ReadonlySet<string>;
  /** The keys and kinds that were found, by the path of the file. For the report. */
  readonly keys: ReadonlyMap<string, ReadonlySet<string>>;
  /** True if there were more than are kept: the files searched last cannot be published. */
  readonly isFull: boolean;
}

/** A longer line is searched in pieces that overlap. */
const MAX_LINE = 16_384;
const OVERLAP = 2_048;
const MAX_VALUE = 1_024;
/** A real run has dozens. */
const MAX_VALUES = 5_000;
const MAX_KEYS = 1_000;
/** Shorter values would redact half of every log. They are removed together with their key only. */
const MIN_ALONE = 8;

/** White space for a class of characters. `\s` has byte A0 too, which is a part of a letter in UTF-8: à, Š. */
const SPACE = ' \\t\\r\\n\\f\\v';
const WORD =
  '(?:password|passwd|passphrase|secret|token|(?:secret|api|access|private|encryption|shared|fixed)[_-]?key|credentials?)';
const KEY = `(?:[\\w.-]{0,60}${WORD}|san_\\w{1,60}|(?:\\w{1,40}_)?(?:connection|transport_url))`;
/**
 * Key, quotes around it, separator, and a value: quoted, also with escaped quotes as in JSON within JSON, or up to the
 * next space, quote, comma or semicolon.
 */
const ASSIGNMENT = new RegExp(
  `(?<![\\w.-])(${KEY})(\\\\?["']?[${SPACE}]{0,20}(?:=>|[:=])[${SPACE}]{0,20}[ub]?)("(?:[^"\\\\]|\\\\.){0,${MAX_VALUE}}"|\\\\"(?:\\\\{3}"|[^"\\\\]|\\\\[^"]){0,${MAX_VALUE}}\\\\"|'[^']{0,${MAX_VALUE}}'|[^${SPACE}"',;]{1,${MAX_VALUE}})`,
  'gi',
);
/** A line that is only an assignment: the value may contain spaces. */
const WHOLE_LINE = new RegExp(
  `^[${SPACE}]*((?:(?:export|-)[${SPACE}]+)?["']?(${KEY})["']?[${SPACE}]*[:=][${SPACE}]*(.+?))[${SPACE}]*,?$`,
  'i',
);
const URL_PASSWORD = new RegExp(
  `[a-z][a-z0-9+.-]{1,30}://[^${SPACE}:@/'"]{0,200}:([^${SPACE}@/'"]{1,500})@`,
  'gi',
);
const COMMENT = new RegExp(`[${SPACE}]+#.*$`);
const KEY_BEGIN = /-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----/;
const KEY_END = /-----END [A-Z ]{0,30}PRIVATE KEY-----/;
/**
 * Not a part of a longer word, such as a host name, and not a field that a journal in export format has between the
 * lines of the key: `_MACHINE_ID=...`, `__CURSOR=s=...;b=...`.
 */
const KEY_LINE = /(?<![\w.+/]|\w-|\b_\w{1,60}=|;[a-z]=)[A-Za-z0-9+/]{16,}={0,2}(?![\w.]|-\w)/g;
const MAX_KEY_LINES = 200;

/**
 * Values that are not secrets: placeholders, references to variables, masks, HTTP keywords, the beginning of a JSON
 * object or list, the digest that keystoneauth logs instead of a token, and what oslo.config's log of its options has
 * where a value is empty: the name of the function that logs.
 */
const NO_SECRET =
  /^(?:none|null|true|false|yes|no|\d{1,5}|\*+|x+|\$.*|<.*>|%\(.*|\{\{.*|[[{(]+|\[redacted\].*|\{sha256\}[0-9a-f]{64}|keep-alive|close|password|secret|token|log_opt_values)$/i;
/** A function in a Python module: `keystonemiddleware.auth_token:filter_factory`. */
const FUNCTION = /\.\w+:[a-z]+(?:_[a-z]+)+$/;

/**
 * The secrets in a short text, such as a message of a program. A plain word in the middle of a line is prose and stays:
 * `check the password: it has ended`.
 */
export function secretsIn(text: string): ReadonlySet<string> {
  const finder = new SecretFinder(false);
  finder.searchText('', text);
  return finder.values;
}

export class SecretFinder implements FoundSecrets {
  readonly values = new Set<string>();
  readonly keys = new Map<string, Set<string>>();
  isFull = false;
  readonly #prose: boolean;

  /** @param prose whether a plain word after a key in the middle of a line is removed, with its key */
  constructor(prose = true) {
    this.#prose = prose;
  }

  searchText(path: string, text: string): void {
    const lines = this.#linesOf(path);
    lines.push(Buffer.from(text, 'utf8').toString('latin1'));
    lines.end();
  }

  /** Searches one file. Bytes are read as Latin-1, so a value in UTF-8 is converted at the end. */
  async search(path: string, chunks: AsyncIterable<Buffer>): Promise<void> {
    const lines = this.#linesOf(path);
    for await (const chunk of chunks) lines.push(chunk.toString('latin1'));
    lines.end();
  }

  #keyLinesLeft = 0;

  #linesOf(path: string): LineSplitter {
    this.#keyLinesLeft = 0;
    return new LineSplitter((line) => this.#line(path, line));
  }

  #line(path: string, line: string): void {
    this.#privateKey(path, line);
    if (!/[:=]/.test(line)) return;
    for (const [, password = ''] of line.matchAll(URL_PASSWORD))
      this.#add(path, 'password in a URL', password);
    const [, whole = '', wholeKey = '', wholeValue = ''] = WHOLE_LINE.exec(line) ?? [];
    this.#assigned(path, wholeKey, unquoted(wholeValue), whole, true);
    for (const [text, key = '', , value = ''] of line.matchAll(ASSIGNMENT)) {
      this.#assigned(path, key, unquoted(value), text, false);
      // Quotes in it are escaped twice, which no form of the value has.
      if (value.startsWith('\\"')) this.#assigned(path, key, value.slice(2, -2), text, false);
    }
  }

  #privateKey(path: string, line: string): void {
    if (KEY_BEGIN.test(line)) this.#keyLinesLeft = MAX_KEY_LINES;
    if (this.#keyLinesLeft === 0) return;
    this.#keyLinesLeft -= 1;
    for (const [part] of line.matchAll(KEY_LINE)) this.#add(path, 'private key', part);
    if (KEY_END.test(line)) this.#keyLinesLeft = 0;
  }

  /** @param text the key and its value as they are in the file */
  #assigned(path: string, key: string, value: string, text: string, isAlone: boolean): void {
    if (value === '' || NO_SECRET.test(value)) return;
    if (/(?:connection|transport_url)$/i.test(key) && !value.includes('://')) return;
    // In the middle of a line a plain word may be prose: `password: authentication failed`.
    const isWord = !/[^a-z]/i.test(value) && !/[a-z][A-Z]/.test(value);
    const isProse = !isAlone && (isWord || FUNCTION.test(text));
    const isOwn = value.length >= MIN_ALONE && !isProse;
    if (isProse && !this.#prose) return;
    this.#add(path, key, isOwn ? value : text);
  }

  #add(path: string, key: string, value: string): void {
    if (value.length < 4 || value.length > MAX_VALUE * 2) return;
    const text = Buffer.from(value, 'latin1').toString('utf8');
    if (this.values.size >= MAX_VALUES && !this.values.has(text)) {
      this.isFull = true;
      return;
    }
    this.values.add(text);
    const known = this.keys.get(path);
    if (known !== undefined) known.add(key);
    else if (this.keys.size < MAX_KEYS) this.keys.set(path, new Set([key]));
  }
}

function unquoted(value: string): string {
  const escaped = /^\\"(.*)\\"$/s.exec(value);
  if (escaped !== null) return unquoted(`"${(escaped[1] ?? '').replace(/\\(["\\])/g, '$1')}"`);
  const quote = /^(["'])(.*)\1$/s.exec(value);
  if (quote === null) return value.replace(COMMENT, '');
  const inner = quote[2] ?? '';
  return quote[1] === '"' ? inner.replace(/\\(["\\/$`])/g, '$1') : inner;
}

class LineSplitter {
  readonly #take: (line: string) => void;
  #held = '';

  constructor(take: (line: string) => void) {
    this.#take = take;
  }

  push(text: string): void {
    const lines = (this.#held + text).split(/\r?\n|\r|\0|\\n/);
    this.#held = lines.pop() ?? '';
    for (const line of lines) this.#pieces(line);
    if (this.#held.length > MAX_LINE) {
      this.#pieces(this.#held);
      this.#held = this.#held.slice(-OVERLAP);
    }
  }

  end(): void {
    this.#pieces(this.#held);
    this.#held = '';
  }

  #pieces(line: string): void {
    for (let from = 0; from < line.length; from += MAX_LINE - OVERLAP)
      this.#take(line.slice(from, from + MAX_LINE));
  }
}
