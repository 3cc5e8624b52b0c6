/** At most `length` characters of a test's name, with a mark where more were. */
export function shortName(name: string, length: number): string {
  return name.length <= length ? name : `${[...name.slice(0, length)].slice(0, -1).join('')}…`;
}
