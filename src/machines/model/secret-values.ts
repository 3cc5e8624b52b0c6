/** Extracts the texts of a secret that must not be published. Pure; for the configuration and for adapters. */

/** Minimum length of a secret: redacting a shorter one would remove large parts of every log. */
const MIN_LENGTH = 4;
/** Minimum length of a line of a multi-line file, such as a key. */
const MIN_LINE_LENGTH = 8;
/** `san_password = VALUE`, `password: "VALUE"`, `export OS_PASSWORD=VALUE`, `"password": "VALUE",`. */
const ASSIGNMENT = /^\s*(?:export\s+|-\s+)?["']?[\w.-]+["']?\s*[:=]\s*(.*?)\s*$/;
const QUOTED = /^(["'])(.*?)\1\s*[,;]?\s*(?:#.*)?$/;

/**
 * The lines of a secret that are long enough to be distinguished from other text, and the values alone if it is a file
 * that programs read: both the log of such a program and the file itself may be published.
 */
export function secretValues(content: string): readonly string[] {
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== '');
  const minLength = lines.length === 1 ? MIN_LENGTH : MIN_LINE_LENGTH;
  const values = lines.flatMap((line) => assignedValues(line));
  return [
    ...new Set([
      ...lines.map((line) => line.trim()).filter((line) => line.length >= minLength),
      ...values.filter((value) => value.length >= MIN_LINE_LENGTH),
    ]),
  ];
}

/** Without quotes, ` #` begins a comment in some formats and belongs to the value in others. */
function assignedValues(line: string): readonly string[] {
  const [, value] = ASSIGNMENT.exec(line) ?? [];
  if (value === undefined) return [];
  const [, , quoted] = QUOTED.exec(value) ?? [];
  return quoted === undefined ? [value, value.replace(/\s+#.*$/, '')] : [quoted];
}
