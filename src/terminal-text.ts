/**
 * Keeps untrusted text (subjects, owners, reasons, output of a node) from controlling a terminal: no colour, no cursor
 * movement, no title, no hidden or reordered text. Everything printed for people goes through these functions. Removed
 * characters remain visible as escapes such as `\x1b`.
 */

/**
 * Control characters (C0, DEL, C1), marks that reorder or hide text, lone surrogates, private use, line separators,
 * blank letters.
 */
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu;

/** For a single line: line ends and tabs are escaped too. */
export function plainText(text: string): string {
  return text.replace(DANGEROUS, escaped);
}

/** For several lines: line ends and tabs stay; a carriage return before a line end is removed, any other is escaped. */
export function plainLines(text: string): string {
  return text
    .replaceAll('\r\n', '\n')
    .replace(DANGEROUS, (character) =>
      character === '\n' || character === '\t' ? character : escaped(character),
    );
}

function escaped(character: string): string {
  if (character === '\n') return '\\n';
  if (character === '\r') return '\\r';
  if (character === '\t') return '\\t';
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16);
  if (code < 0x100) return `\\x${hex.padStart(2, '0')}`;
  return code < 0x10000 ? `\\u${hex.padStart(4, '0')}` : `\\u{${hex}}`;
}
