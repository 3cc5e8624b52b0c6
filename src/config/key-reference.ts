/**
 * All keys of the configuration file as a list, read from the schema: for the documentation, and to find the key that a
 * mistake was meant to be.
 */
import type { z } from 'zod';
import { leafDoc } from './fields/fields.ts';
import { type Variants, variant, variantsOf } from './fields/unions.ts';
import { nearest } from './file/config-error.ts';
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

/** The keys that the mapping at `path` may have; `root` is the document's value, where they depend on it. */
export function keysAt(path: readonly PropertyKey[], root?: unknown): readonly string[] {
  let schema: unknown = configSchema;
  let value = root;
  for (const step of path) {
    const { shape, valueType, element } = insides(schema, value);
    schema = shape?.[String(step)] ?? valueType ?? element;
    if (schema === undefined) return [];
    value = inside(value, step);
  }
  return Object.keys(insides(schema, value).shape ?? {});
}

/** What an unknown key was probably meant to be, as a question; otherwise which keys there are. */
export function suggestKey(path: readonly PropertyKey[], key: string, root?: unknown): string {
  const known = keysAt(path, root);
  const near = nearest(key, known);
  if (near !== null) return `did you mean "${near}"?`;
  const named = listKeys().filter((entry) => entry.path.endsWith(`.${key}`));
  // One of the same part of the file, if there is one.
  const elsewhere = named.find((entry) => entry.path.startsWith(`${String(path[0])}.`)) ?? named[0];
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
  const variants = typeof schema === 'object' && schema !== null ? variantsOf(schema) : undefined;
  if (variants !== undefined) {
    collectVariants(variants, path, required, found);
    return;
  }
  const { shape, valueType, element } = insides(schema, undefined);
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

/** A key that not every variant has says which do. */
function collectVariants(variants: Variants, path: string, required: boolean, found: KeyDoc[]): void {
  const byPath = new Map<string, { readonly doc: KeyDoc; readonly names: string[] }>();
  for (const [name, schema] of Object.entries(variants.of)) {
    const own: KeyDoc[] = [];
    collect(schema, path, required, own);
    for (const doc of own) {
      const known = byPath.get(doc.path);
      if (known === undefined) byPath.set(doc.path, { doc, names: [name] });
      else known.names.push(name);
    }
  }
  const all = Object.keys(variants.of).length;
  for (const { doc, names } of byPath.values()) {
    found.push(names.length === all ? doc : { ...doc, about: `(${names.join(', ')}) ${doc.about}` });
  }
}

/** What a mapping, a record or a list holds; its defaults and options are looked through. */
function insides(schema: unknown, value: unknown): Insides {
  const variants = typeof schema === 'object' && schema !== null ? variantsOf(schema) : undefined;
  const chosen =
    variants === undefined ? schema : variant(variants.of, variants.key, variants.fallback, value);
  let definition = (chosen as z.core.$ZodType)._zod.def as Insides & { readonly innerType?: unknown };
  while (definition.innerType !== undefined) {
    definition = (definition.innerType as z.core.$ZodType)._zod.def as typeof definition;
  }
  return definition;
}

function inside(value: unknown, step: PropertyKey): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, step)) return undefined;
  return (value as Readonly<Record<PropertyKey, unknown>>)[step];
}
