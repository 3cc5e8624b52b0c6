/** Truncates a test's name to `length` characters, with an ellipsis at the end. */
export function shortName(name: string, length: number): string {
  return name.length <= length ? name : `${[...name.slice(0, length)].slice(0, -1).join('')}…`;
}
