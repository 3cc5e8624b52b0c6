/** Validates the answers of the user's programs. Unknown keys are errors, so that a misspelt key is not ignored. */
import { z } from 'zod';
import { parseHostKey } from '../openssh/host-key.ts';

const line = z
  .string()
  .min(1)
  .max(300)
  .regex(/^[^\p{Cc}]+$/u, 'contains a control character');

const server = z.strictObject({
  id: line,
  address: z.strictObject({
    host: line,
    port: z.number().int().min(1).max(65_535).optional(),
    user: line.optional(),
    directory: line.optional(),
  }),
  /** In the form `TYPE BASE64`. */
  hostKey: z
    .string()
    .max(10_000)
    .refine((text) => parseHostKey(text) !== null, 'is not a public key')
    .optional(),
});

const listed = server.extend({
  name: line,
  owner: z.strictObject({
    deployment: line,
    job: line,
    attempt: z.number().int().min(1).max(1_000_000),
  }),
});

/** More than any lab with such a provider has. */
const MAX_SERVERS = 10_000;

export const createdAnswer = server;
export const listAnswer = z.strictObject({ servers: z.array(listed).max(MAX_SERVERS) });
/** The answer may be empty. */
export const deletedAnswer = z.union([z.null(), z.strictObject({})]);

export type CreatedServer = z.output<typeof server>;
export type ListedServer = z.output<typeof listed>;

/** Describes the first error. */
export function firstMistake(error: z.ZodError): string {
  const [first] = error.issues;
  if (first === undefined) return 'it does not have the expected form';
  const where = first.path.map(String).join('.');
  return where === '' ? first.message : `${where}: ${first.message}`;
}
