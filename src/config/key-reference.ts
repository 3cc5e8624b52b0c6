/**
 * The JSON Schema of the configuration file, and a list of all keys made from it: for editors, for the documentation,
 * and to suggest the intended key.
 */
import { z } from 'zod';
import { fieldMeta } from './fields/fields.ts';
import { nearest } from './file/config-error.ts';
import { configSchema } from './schema.ts';
import { job } from './sections/jobs.ts';

export interface KeyDoc {
  /** Dotted; NAME is a placeholder for a user-defined name. */
  readonly path: string;
  readonly kind: string;
  /** Undefined: required; null: none. */
  readonly default: unknown;
  /** The default as written in the file. */
  readonly defaultText: string;
  readonly about: string;
}

/** The parts of a JSON Schema that this file uses. */
interface Node {
  readonly title?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly const?: unknown;
  readonly properties?: Readonly<Record<string, Node>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: Node | boolean;
  readonly items?: Node;
  readonly oneOf?: readonly Node[];
}

/** For editors: YAML language servers support draft 7. */
export function jsonSchema(): object {
  const schema = z.toJSONSchema(configSchema, {
    target: 'draft-7',
    io: 'input',
    unrepresentable: 'any',
    metadata: fieldMeta,
    override: ({ zodSchema, jsonSchema: out }) => {
      const meta = fieldMeta.get(zodSchema);
      if (meta !== undefined) delete out.default;
      if (meta?.default !== undefined && meta.default !== null)
        out.default = meta.default as typeof out.default;
      if (zodSchema._zod.def.type === 'object')
        out.required = [...(out.required ?? []), ...requiredFields(zodSchema)];
      if (zodSchema === job) {
        out.required = out.required?.filter((key) => key !== 'testing') ?? [];
        out.anyOf = [{ required: ['testing'] }, { required: ['preset'] }];
      }
    },
  });
  return schema;
}

/** Zod treats every field as optional, because each field reports its own absence. */
function requiredFields({ _zod: { def } }: z.core.$ZodTypes): readonly string[] {
  if (def.type !== 'object') return [];
  const isRequired = (one: z.core.$ZodType) =>
    fieldMeta.has(one) && fieldMeta.get(one)?.default === undefined;
  return Object.entries(def.shape).flatMap(([key, one]) => (isRequired(one) ? [key] : []));
}

let root: Node | null = null;

function rootNode(): Node {
  root ??= jsonSchema() as Node;
  return root;
}

export function listKeys(): readonly KeyDoc[] {
  const found: KeyDoc[] = [];
  collectKeys(rootNode(), '', found);
  return found;
}

/** The allowed keys of the mapping at `path`; `value` is the document's, for keys that depend on it. */
export function keysAt(path: readonly PropertyKey[], value?: unknown): readonly string[] {
  let [node, inner]: [Node | undefined, unknown] = [rootNode(), value];
  for (const step of path) {
    const { properties, additionalProperties, items } = chosen(node, inner);
    const named = typeof additionalProperties === 'object' ? additionalProperties : undefined;
    const own = Object.hasOwn(properties ?? {}, step) ? properties?.[String(step)] : undefined;
    node = own ?? named ?? items;
    if (node === undefined) return [];
    inner =
      typeof inner === 'object' && inner !== null && Object.hasOwn(inner, step)
        ? (inner as Readonly<Record<PropertyKey, unknown>>)[step]
        : undefined;
  }
  return Object.keys(chosen(node, inner).properties ?? {});
}

/** Suggests the intended key for an unknown one, as a question; otherwise lists the allowed keys. */
export function suggestKey(path: readonly PropertyKey[], key: string, value?: unknown): string {
  const known = keysAt(path, value);
  const near = nearest(key, known);
  if (near !== null) return `did you mean "${near}"?`;
  const named = listKeys().filter((entry) => entry.path.endsWith(`.${key}`));
  // Prefers a key of the same section.
  const elsewhere = named.find((entry) => entry.path.startsWith(`${String(path[0])}.`)) ?? named[0];
  if (elsewhere !== undefined) return `did you mean ${elsewhere.path}?`;
  return `known here: ${known.join(', ')}`;
}

/** The variant of a mapping that its `type` selects; otherwise the first. */
function chosen(node: Node, value: unknown): Node {
  if (node.title !== undefined) return {};
  const type = typeof value === 'object' && value !== null && 'type' in value ? value.type : undefined;
  return node.oneOf?.find((one) => one.properties?.type?.const === type) ?? node.oneOf?.[0] ?? node;
}

function collectKeys(node: Node, path: string, found: KeyDoc[], required = true): void {
  if (node.title !== undefined) {
    const fallback = node.default ?? (required ? undefined : null);
    const kind = node.title;
    found.push({ path, kind, default: fallback, defaultText: flow(fallback), about: node.description ?? '' });
    return;
  }
  if (node.oneOf !== undefined) {
    collectVariants(node.oneOf, path, found);
    return;
  }
  for (const [key, inner] of Object.entries(node.properties ?? {})) {
    collectKeys(inner, path === '' ? key : `${path}.${key}`, found, node.required?.includes(key) ?? false);
  }
  if (typeof node.additionalProperties === 'object')
    collectKeys(node.additionalProperties, `${path}.NAME`, found);
  if (node.items !== undefined) collectKeys(node.items, `${path}[]`, found);
}

/**
 * The description of a key that only some variants have begins with their names. A key is listed again where another
 * default applies.
 */
function collectVariants(variants: readonly Node[], path: string, found: KeyDoc[]): void {
  const byDefault = new Map<string, { readonly doc: KeyDoc; readonly names: unknown[] }>();
  for (const variant of variants) {
    const own: KeyDoc[] = [];
    collectKeys(variant, path, own);
    for (const doc of own) {
      const id = `${doc.path} ${doc.default === undefined ? 'required' : doc.defaultText}`;
      const known = byDefault.get(id);
      const name = variant.properties?.type?.const;
      if (known === undefined) byDefault.set(id, { doc, names: [name] });
      else known.names.push(name);
    }
  }
  for (const { doc, names } of byDefault.values()) {
    const everywhere = names.length === variants.length;
    found.push(everywhere ? doc : { ...doc, about: `(${names.join(', ')}) ${doc.about}` });
  }
}

/** Formats a value as in the file. */
function flow(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (typeof value === 'object' && value !== null) return JSON.stringify(value);
  return value === '' || value === '*' ? `'${value}'` : String(value ?? '');
}
