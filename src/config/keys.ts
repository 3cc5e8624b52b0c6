/**
 * All keys of the configuration file as a list, read from the schema: for the documentation, and to find the key that a
 * mistake was meant to be.
 */
import type { z } from 'zod';
import { leafDoc } from './leaf.ts';
import { nearest } from './problems.ts';
import { configSchema } from './schema.ts';

export interface KeyDoc {
  /** Dotted; NAME stands for a name that the user gives. */
  readonly path: string;
  readonly kind: string;
  /** As written in the file; undefined: required; null: nothing. */
  readonly default: string | null | undefined;
  readonly about: string;
}

export function listKeys(): readonly KeyDoc[] {
  const found: KeyDoc[] = [];
  collect(configSchema, '', true, found);
  return found;
}

/** The keys that the mapping at `path` may have. */
export function keysAt(path: readonly PropertyKey[]): readonly string[] {
  let schema: unknown = configSchema;
  for (const step of path) {
    const { shape, valueType, element } = insides(schema);
    schema = shape?.[String(step)] ?? valueType ?? element;
    if (schema === undefined) return [];
  }
  return Object.keys(insides(schema).shape ?? {});
}

/** What an unknown key was probably meant to be, as a question; otherwise which keys there are. */
export function suggestKey(path: readonly PropertyKey[], key: string): string {
  const known = keysAt(path);
  const near = nearest(key, known);
  if (near !== null) return `did you mean "${near}"?`;
  const elsewhere = listKeys().find((entry) => entry.path.endsWith(`.${key}`));
  if (elsewhere !== undefined) return `did you mean ${elsewhere.path}?`;
  return `known here: ${known.join(', ')}`;
}

function collect(schema: unknown, path: string, required: boolean, found: KeyDoc[]): void {
  const doc = typeof schema === 'object' && schema !== null ? leafDoc(schema) : undefined;
  if (doc !== undefined) {
    const fallback = doc.default === undefined && !required ? null : doc.default;
    found.push({ path, kind: doc.kind, default: fallback, about: doc.about });
    return;
  }
  const { shape, valueType, element } = insides(schema);
  for (const [key, value] of Object.entries(shape ?? {})) {
    collect(value, path === '' ? key : `${path}.${key}`, required, found);
  }
  if (valueType !== undefined) collect(valueType, `${path}.NAME`, required, found);
  if (element !== undefined) collect(element, `${path}[]`, required, found);
}

interface Insides {
  readonly shape?: Readonly<Record<string, unknown>>;
  readonly valueType?: unknown;
  readonly element?: unknown;
}

/** What a mapping, a record or a list holds; its defaults and options are looked through. */
function insides(schema: unknown): Insides {
  let definition = (schema as z.core.$ZodType)._zod.def as Insides & { readonly innerType?: unknown };
  while (definition.innerType !== undefined) {
    definition = (definition.innerType as z.core.$ZodType)._zod.def as typeof definition;
  }
  return definition;
}
