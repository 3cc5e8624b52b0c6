/** Measures a text as Gerrit does and cuts it to a maximum length. Machines have neither Buffer nor TextEncoder. */

/** Length in UTF-8. */
export function byteLength(text: string): number {
  let bytes = 0;
  for (const character of text) {
    const code = character.codePointAt(0) ?? 0;
    bytes += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
  }
  return bytes;
}

/** Length of several lines, including line ends. */
export function bytesOf(lines: readonly string[]): number {
  return lines.reduce((bytes, line) => bytes + byteLength(line) + 1, 0);
}

/** The first lines that fit into `limitBytes`. */
export function fittingLines(lines: readonly string[], limitBytes: number): readonly string[] {
  let left = limitBytes;
  const end = lines.findIndex((line) => {
    left -= bytesOf([line]);
    return left < 0;
  });
  return end < 0 ? lines : lines.slice(0, end);
}

/** Cuts to at most `limit` characters, ending in dots if cut. */
export function clipped(text: string, limit: number): string {
  const characters = Array.from(text.slice(0, limit * 2 + 2));
  return characters.length <= limit ? text : `${characters.slice(0, Math.max(0, limit - 3)).join('')}...`;
}
