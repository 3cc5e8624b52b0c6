/**
 * Patterns for names: `*` matches any run of characters including `/`, every other character itself. They are not
 * compiled to regular expressions, so no pattern or name can make matching slow.
 */

/** True when the pattern matches the whole text. */
export function matches(glob: string, text: string): boolean {
  const parts = glob.split('*');
  const [first = ''] = parts;
  if (parts.length === 1) return glob === text;
  if (!text.startsWith(first)) return false;
  let from = first.length;
  for (const part of parts.slice(1, -1)) {
    const at = text.indexOf(part, from);
    if (at < 0) return false;
    from = at + part.length;
  }
  const last = parts.at(-1) ?? '';
  return text.length - from >= last.length && text.endsWith(last);
}

export function matchesAny(globs: readonly string[], text: string): boolean {
  return globs.some((glob) => matches(glob, text));
}

/** True when some text matches both patterns. */
export function overlap(one: string, other: string): boolean {
  // below[j]: some text matches both the rest of `one` and the rest of `other` from j on.
  let below = Array.from({ length: other.length + 1 }, (_, at) => /^\**$/.test(other.slice(at)));
  for (const character of one.split('').reverse()) {
    const row = [...below];
    row[other.length] = character === '*' && below[other.length] === true;
    for (let at = other.length - 1; at >= 0; at -= 1) {
      const star = character === '*' || other[at] === '*';
      row[at] = (star ? below[at] || row[at + 1] : character === other[at] && below[at + 1]) === true;
    }
    below = row;
  }
  return below[0] === true;
}
