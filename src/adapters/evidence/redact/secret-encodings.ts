/**
 * The forms in which a secret may appear in a log: as it is, in base64 (at any offset in a longer text, so that an
 * Authorization header is covered too), in hex, URL-encoded, and escaped for JSON, HTML, shells and quoted strings.
 * Guarantees: every form of a secret of at least four characters is included; secrets of one to three characters have
 * no forms, because they would redact half of every log.
 */

/** Shorter secrets are ignored. */
const MIN_SECRET_LENGTH = 4;
/** Shorter parts of a base64 text occur by chance. */
const MIN_BASE64_PART = 8;
/** Lines of a multi-line secret (a private key) are secrets too, from this length on. */
const MIN_LINE_LENGTH = 16;

/** All forms of all secrets, without duplicates, the longest first. */
export function secretForms(secrets: readonly string[]): readonly Buffer[] {
  const forms = new Map<string, Buffer>();
  for (const secret of secrets) {
    for (const part of parts(secret)) {
      for (const form of formsOf(part)) forms.set(form, Buffer.from(form, 'utf8'));
    }
  }
  return [...forms.values()].sort((a, b) => b.length - a.length);
}

/** The secret without its trailing line break, and its long lines, because a log puts a timestamp before each line. */
function parts(secret: string): readonly string[] {
  const whole = secret.replace(/[\r\n]+$/, '');
  const lines = whole
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter((line) => line.length >= MIN_LINE_LENGTH && !line.startsWith('-----'));
  return [whole, ...lines].filter((part) => part.length >= MIN_SECRET_LENGTH);
}

function formsOf(secret: string): readonly string[] {
  const escaped = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    JSON.stringify(secret).slice(1, -1).replaceAll('/', '\\/'),
    secret.replaceAll('\\', '\\\\').replaceAll("'", "\\'"),
    secret.replaceAll("'", `'\\''`),
  ];
  return [
    ...escaped,
    ...shellForms(secret),
    ...htmlForms(secret),
    ...urlForms(secret),
    ...base64Forms(secret),
    ...hexForms(secret),
  ];
}

/** In double quotes, and as `printf %q` writes it. */
function shellForms(secret: string): readonly string[] {
  return [secret.replace(/["$`\\]/g, '\\$&'), secret.replace(/[^A-Za-z0-9_./:@%+,=-]/g, '\\$&')];
}

function hexForms(secret: string): readonly string[] {
  const lower = Buffer.from(secret, 'utf8').toString('hex');
  return [lower, lower.toUpperCase()];
}

function htmlForms(secret: string): readonly string[] {
  const tags = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const quoted = tags.replaceAll('"', '&quot;');
  return [tags, quoted, quoted.replaceAll("'", '&#39;'), quoted.replaceAll("'", '&#x27;')];
}

/**
 * URL-encoded by encodeURIComponent, as in HTML forms (plus for space), and with every reserved character encoded; hex
 * digits in either case.
 */
function urlForms(secret: string): readonly string[] {
  // encodeURIComponent rejects a lone surrogate; the UTF-8 round trip replaces it with the replacement character.
  const text = Buffer.from(secret, 'utf8').toString('utf8');
  const component = encodeURIComponent(text);
  const path = component.replaceAll('%2F', '/');
  const strict = component.replace(/[!'()*~]/g, (character) => `%${hex(character)}`);
  const encoded = [component, path, strict, component.replaceAll('%20', '+'), strict.replaceAll('%20', '+')];
  return encoded.flatMap((form) => [form, form.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())]);
}

function hex(character: string): string {
  return character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0');
}

/**
 * The base64 text of the secret alone, with and without padding; and the part that is the same for each offset within a
 * group of three bytes.
 */
function base64Forms(secret: string): readonly string[] {
  const bytes = Buffer.from(secret, 'utf8');
  const alone = bytes.toString('base64');
  const forms = [alone, alone.replace(/=+$/, '')];
  for (const before of [0, 1, 2]) {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString('base64');
    const first = Math.ceil((before * 8) / 6);
    const end = Math.floor(((before + bytes.length) * 8) / 6);
    if (end - first >= MIN_BASE64_PART) forms.push(text.slice(first, end));
  }
  return forms.flatMap((form) => [form, form.replaceAll('+', '-').replaceAll('/', '_')]);
}
