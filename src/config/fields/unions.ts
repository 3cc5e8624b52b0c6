/** Mappings that are not the same everywhere: with keys that the user chooses, or with other keys for another type. */
import { z } from 'zod';

/** A mapping whose keys the user chooses, with at least one. */
export function keyed<T extends z.ZodType>(value: T, what: string, next: string) {
  return z.record(z.string(), value).superRefine((entries, context) => {
    if (Object.keys(entries).length === 0)
      context.addIssue({ code: 'custom', message: what, params: { next } });
  });
}

const alternatives = new WeakMap<object, Variants>();

/** A mapping that may hold different keys, by the word under one of them. */
export interface Variants {
  readonly key: string;
  readonly fallback: string;
  readonly of: Readonly<Record<string, z.ZodType>>;
}

export function variantsOf(schema: object): Variants | undefined {
  return alternatives.get(schema);
}

/** Judged by the variant that is named in it; by `fallback` when none is, or one that there is not. */
export function variants<T extends Readonly<Record<string, z.ZodType>>>(
  key: string,
  fallback: keyof T & string,
  of: T,
) {
  const schema = z
    .unknown()
    .optional()
    .transform((value, context): { [K in keyof T]: z.output<T[K]> & { readonly type: K } }[keyof T] => {
      const outcome = variant(of, key, fallback, value).safeParse(value ?? {});
      if (outcome.success)
        return outcome.data as { [K in keyof T]: z.output<T[K]> & { readonly type: K } }[keyof T];
      for (const issue of outcome.error.issues) context.addIssue({ ...issue, input: value } as never);
      return z.NEVER;
    });
  alternatives.set(schema, { key, fallback, of });
  return schema;
}

/** The variant that counts for this value. */
export function variant(
  of: Readonly<Record<string, z.ZodType>>,
  key: string,
  fallback: string,
  value: unknown,
): z.ZodType {
  const named =
    typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[key] : null;
  const chosen = typeof named === 'string' && Object.hasOwn(of, named) ? of[named] : of[fallback];
  if (chosen === undefined) throw new Error(`no variant ${fallback}`);
  return chosen;
}
