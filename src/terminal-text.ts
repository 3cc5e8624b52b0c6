/**
 * What strangers wrote (subjects, owners, reasons, output of a node) must never drive a terminal: no colour, no cursor
 * movement, no title, no hidden or reordered text. The one function for it; everything that is printed for people goes
 * through it. What it takes out stays visible as an escape such as `\x1b`, so that nobody is fooled by its absence.
 */

/** Control characters (C0, DEL, C1), marks that reorder or hide text, half surrogates, private use, line separators, blank letters. */
const DANGEROUS = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\u2028\u2029\u115f\u1160\u3164\uffa0]/gu;

/** One line: line ends and tabs are escaped too. */
export function plainText(text: string): string {
  return text.replace(DANGEROUS, escaped);
}

/** Several lines: line ends and tabs stay; a carriage return before a line end goes, any other is escaped. */
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
