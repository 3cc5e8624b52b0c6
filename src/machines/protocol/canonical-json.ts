/**
 * JSON with sorted keys: equal values always give the same text. Input of the hashes. It runs twice for each row of the
 * log, so it is optimized and caches the texts of unchanged parts.
 */

/**
 * Cached texts of immutable objects. A job's specification is most of its state, and is the same in each of its rows.
 */
export type Memo = WeakMap<object, string>;

/**
 * Depth of the parts that do not change from row to row: `context.spec`, `context.patchset`, `pending[key]`,
 * `effects[n]`.
 */
const MEMO_DEPTH = 2;

/**
 * @param memo cache; requires that no part of the value is ever changed in place, which holds for all values of
 * machines
 * @param depth depth of the value in the object that contains it
 */
export function canonicalJson(value: unknown, memo: Memo | null = null, depth = 0): string {
  return write(value, memo, depth);
}

function write(value: unknown, memo: Memo | null, depth: number): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value);
    case 'number':
      if (!Number.isFinite(value)) throw new Error(`not JSON: ${value}`);
      return JSON.stringify(value);
    case 'boolean':
      return value ? 'true' : 'false';
    case 'object':
      return value === null ? 'null' : writeObject(value, depth === MEMO_DEPTH ? memo : null, memo, depth);
    default:
      throw new Error(`not JSON: ${typeof value}`);
  }
}

function writeObject(value: object, cache: Memo | null, memo: Memo | null, depth: number): string {
  const known = cache?.get(value);
  if (known !== undefined) return known;
  const text = Array.isArray(value)
    ? writeList(value, memo, depth)
    : writeMembers(value as Readonly<Record<string, unknown>>, memo, depth);
  cache?.set(value, text);
  return text;
}

function writeList(list: readonly unknown[], memo: Memo | null, depth: number): string {
  let text = '[';
  for (let index = 0; index < list.length; index += 1) {
    if (index > 0) text += ',';
    text += write(list[index], memo, depth + 1);
  }
  return `${text}]`;
}

function writeMembers(value: Readonly<Record<string, unknown>>, memo: Memo | null, depth: number): string {
  let text = '{';
  for (const key of sorted(Object.keys(value))) {
    const member = value[key];
    if (member === undefined) continue;
    if (text.length > 1) text += ',';
    text += `${JSON.stringify(key)}:${write(member, memo, depth + 1)}`;
  }
  return `${text}}`;
}

/** Keys parsed from canonical text are sorted already, and checking is faster than sorting. */
function sorted(keys: string[]): readonly string[] {
  for (let index = 1; index < keys.length; index += 1) {
    if ((keys[index - 1] ?? '') > (keys[index] ?? '')) return keys.sort();
  }
  return keys;
}
