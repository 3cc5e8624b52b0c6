/**
 * In which shapes a secret turns up in a log: as it is, in base64 (wherever it stands inside a longer text, so that
 * an Authorization header is caught too), URL-encoded, and escaped as JSON, HTML and a quoted string are.
 * Promises: every form of at least four characters is there; secrets of one to three characters give none, because
 * they would black out half of every log.
 */

/** Shorter secrets are ignored. */
const MIN_SECRET_LENGTH = 4;
/** Parts of a base64 text shorter than this turn up by chance. */
const MIN_BASE64_PART = 8;
/** Lines of a secret that has several (a private key) are secrets too, from this length on. */
const MIN_LINE_LENGTH = 16;

/** All forms of all secrets, each once, the longest first. */
export function secretForms(secrets: readonly string[]): readonly Buffer[] {
  const forms = new Map<string, Buffer>();
  for (const secret of secrets) {
    for (const part of parts(secret)) {
      for (const form of formsOf(part)) forms.set(form, Buffer.from(form, 'utf8'));
    }
  }
  return [...forms.values()].sort((a, b) => b.length - a.length);
}

/** The secret without the line break that a file ends with, and its long lines: a log puts a time before each. */
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
  return [...escaped, ...htmlForms(secret), ...urlForms(secret), ...base64Forms(secret)];
}

function htmlForms(secret: string): readonly string[] {
  const tags = secret.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
  const quoted = tags.replaceAll('"', '&quot;');
  return [tags, quoted, quoted.replaceAll("'", '&#39;'), quoted.replaceAll("'", '&#x27;')];
}

/** As encodeURIComponent does, as forms do (a plus for a space), and with every reserved character encoded; hex in either case. */
function urlForms(secret: string): readonly string[] {
  // A lone surrogate, which encodeURIComponent refuses, is written as the byte form of the replacement character.
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

/** Alone, with and without padding; and what is the same wherever the secret begins inside a group of three bytes. */
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
