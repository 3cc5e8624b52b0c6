/**
 * Writes variables as YAML for Ansible. Values come from an operator, who may use templates, or from Gerrit, whose
 * strings Ansible must not evaluate as templates: a template can run programs on this host.
 */

/** Characters that YAML forbids or treats as line ends, and that JSON does not escape. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/**
 * Strings in which every character may belong to a number, a date or another type of YAML, and none to a template.
 * Current ansible-core reads an unsafe "03" as the number 3, so these are written without the tag.
 */
const PLAIN = /^[\w ~<=:.,+/@-]*$/;

/** @param foreign its strings are never templates; its keys override those of `trusted` */
export function yamlText(
  trusted: Readonly<Record<string, unknown>>,
  foreign: Readonly<Record<string, unknown>>,
): string {
  const kept = Object.entries(trusted).filter(([key]) => !(key in foreign));
  const lines = [
    ...kept.map(([key, value]) => `${encoded(key)}: ${encoded(value)}`),
    ...Object.entries(foreign).map(([key, value]) => `${encoded(key)}: ${unsafe(value)}`),
  ];
  return `{${lines.join(',\n')}}\n`;
}

function unsafe(value: unknown): string {
  if (typeof value === 'string') return PLAIN.test(value) ? encoded(value) : `!unsafe ${encoded(value)}`;
  if (Array.isArray(value)) return `[${value.map(unsafe).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, item]) => `${encoded(key)}: ${unsafe(item)}`)
      .join(', ')}}`;
  return encoded(value);
}

function encoded(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
