/** One word of a shell's command line. In single quotes a shell takes everything literally except the quote and NUL. */
export function shellQuoted(word: string): string {
  return `'${word.replaceAll("'", "'\\''")}'`;
}
