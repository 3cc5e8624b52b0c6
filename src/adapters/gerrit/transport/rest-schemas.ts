/**
 * Schemas for the parts of Gerrit's REST answers that are used, each normalized to one bounded form. Gerrit prefixes
 * its JSON with `)]}'` so that no web page can load it as a script.
 */
import { z } from 'zod';
import { OperationError } from '../../../errors.ts';
import * as shapes from '../json-schemas.ts';
import { firstLine } from './rest-failure.ts';

const MESSAGE_LIMIT = 65_536;
const NAME_LIMIT = 256;
const KIND_LIMIT = 100;
const MESSAGES_LIMIT = 100_000;

/** `2026-11-22 20:07:12.000000000` in UTC, as ms; 0 when invalid. */
const timestamp = z
  .unknown()
  .optional()
  .transform((value) => {
    const parts = typeof value === 'string' ? /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)/.exec(value) : null;
    const ms = parts === null ? Number.NaN : Date.parse(`${parts[1]}T${parts[2]}Z`);
    return Number.isNaN(ms) ? 0 : ms;
  });

/** Account ids are integers; 0 when absent. */
const accountId = z
  .unknown()
  .optional()
  .transform((value) => {
    const { _account_id: id } = (typeof value === 'object' && value !== null ? value : {}) as {
      readonly _account_id?: unknown;
    };
    return typeof id === 'number' && Number.isSafeInteger(id) ? id : 0;
  });

export const self = z.object({ _account_id: z.int().positive() });

export const message = z
  .object({
    id: z.string().min(1).max(NAME_LIMIT),
    author: z.unknown().optional(),
    date: timestamp,
    message: shapes.text(MESSAGE_LIMIT),
    tag: z.string().max(NAME_LIMIT).nullish(),
    _revision_number: shapes.positive.optional(),
  })
  .transform((info) => ({
    id: info.id,
    accountId: accountId.parse(info.author),
    account: shapes.account.parse(info.author),
    at: info.date,
    text: info.message,
    tag: info.tag ?? null,
    patchset: info._revision_number ?? null,
  }));

const messages = z.array(message).max(MESSAGES_LIMIT);
export type RestMessage = z.infer<typeof message>;

const approval = z.object({ _account_id: z.int(), value: shapes.vote });
const label = z.object({ all: z.array(approval).nullish() });

/** Any object; its fields are validated where they are read. */
export const info = z.record(z.string(), z.unknown());

export const change = z.object({
  project: shapes.project,
  status: shapes.text(20),
  current_revision: z.string().max(40).nullish(),
  revisions: z
    .record(z.string(), z.object({ _number: shapes.positive, kind: shapes.text(KIND_LIMIT) }))
    .nullish(),
  messages: messages.nullish(),
  labels: z.record(z.string().max(100), label).nullish(),
});
export type RestChange = z.infer<typeof change>;

const GUARD = /^\)\]\}'\s*/;

export function isJson(text: string): boolean {
  try {
    JSON.parse(text.replace(GUARD, ''));
    return true;
  } catch {
    return false;
  }
}

/**
 * Parses the answer's JSON with this schema.
 * @throws OperationError, retryable only for invalid JSON, which is likely a proxy's page
 */
export function readJson<T>(text: string, schema: z.ZodType<T>, target: string): T {
  const fail = (message: string, retryable: boolean, cause?: unknown): OperationError =>
    new OperationError({
      operation: 'read answer',
      target,
      message,
      retryable,
      hint: retryable
        ? 'check that gerrit.rest.url is not a proxy or another program; sos-ci retries automatically'
        : 'sos-ci does not know this form of answer; please report it',
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text.replace(GUARD, ''));
  } catch (error) {
    throw fail(`not JSON: ${firstLine(text)}`, true, error);
  }
  const { success, data, error } = schema.safeParse(value);
  if (success) return data;
  throw fail(`the answer has an unknown format: ${shapes.oneLine(z.prettifyError(error), 500)}`, false);
}
