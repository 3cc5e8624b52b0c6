/** Extracts the texts of a secret that must not be published. Pure; for the configuration and for adapters. */

/** Minimum length of a secret: redacting a shorter one would remove large parts of every log. */
const MIN_LENGTH = 4;
/** Minimum length of a line of a multi-line file, such as a key. */
const MIN_LINE_LENGTH = 8;

/** The lines of a secret that are long enough to be distinguished from other text. */
export function secretLines(content: string): readonly string[] {
  const lines = content.split(/\r?\n/).filter((line) => line.trim() !== '');
  const minLength = lines.length === 1 ? MIN_LENGTH : MIN_LINE_LENGTH;
  return lines.filter((line) => line.length >= minLength);
}

/**
 * The same for the content of a file that programs read, such as `san_password = VALUE` or `password: "VALUE"`: also
 * the values alone.
 */
export function secretValues(content: string): readonly string[] {
  const values = content.split(/\r?\n/).flatMap((line) => {
    const [, value = ''] = /^\s*[\w.-]+\s*[:=]\s*(.*?)\s*$/.exec(line) ?? [];
    const [, , bare = value] = /^(["'])(.*)\1$/.exec(value) ?? [];
    return bare.length >= MIN_LINE_LENGTH ? [bare] : [];
  });
  return [...new Set([...secretLines(content).map((line) => line.trim()), ...values])];
}
