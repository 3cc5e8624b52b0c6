/**
 * Variables as YAML that Ansible reads. Its values come from an operator, who may use templates, or from Gerrit, whose
 * texts Ansible must not take for templates: a template can run programs on this host.
 */

/** Characters that YAML forbids or takes for line ends, and that JSON does not escape. */
const UNPRINTABLE = /[\u007f-\u009f\u2028\u2029\ufeff\ufffe\uffff]/g;

/** @param foreign its texts are never templates; its keys win */
export function yamlText(
  trusted: Readonly<Record<string, unknown>>,
  foreign: Readonly<Record<string, unknown>>,
): string {
  const kept = Object.entries(trusted).filter(([key]) => !(key in foreign));
  const lines = [
    ...kept.map(([key, value]) => `${written(key)}: ${written(value)}`),
    ...Object.entries(foreign).map(([key, value]) => `${written(key)}: ${unsafe(value)}`),
  ];
  return `{${lines.join(',\n')}}\n`;
}

function unsafe(value: unknown): string {
  if (typeof value === 'string') return `!unsafe ${written(value)}`;
  if (Array.isArray(value)) return `[${value.map(unsafe).join(', ')}]`;
  if (typeof value === 'object' && value !== null)
    return `{${Object.entries(value)
      .map(([key, item]) => `${written(key)}: ${unsafe(item)}`)
      .join(', ')}}`;
  return written(value);
}

function written(value: unknown): string {
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (one) => `\\u${one.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
