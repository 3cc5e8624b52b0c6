/**
 * Messages of the control socket: one line of JSON each way. Both sides validate their input, because the other may be
 * a different release or a different program.
 */
import { z } from 'zod';
import type { Operator, OperatorAnswers, OperatorRequest } from '../../engine/ports/operator-api.ts';

/** The maximum length of a line, in bytes. */
export const REQUEST_LIMIT_BYTES = 64 * 1024;
export const ANSWER_LIMIT_BYTES = 4 * 1024 * 1024;

/** Protocol version; a daemon rejects all others. */
export const FORMAT = 1;

const NAMES_MAX = 100;
/** Characters in an alarm's target; paths can be long. */
const TARGET_MAX = 10_000;

const id = z.string().min(1).max(100);
const number = z.number().int().min(1).max(999_999_999);
const patchset = number.nullable();
const target = z.union([z.strictObject({ job: id }), z.strictObject({ change: number, patchset })]);

const request = z.discriminatedUnion('do', [
  z.strictObject({ do: z.literal('ping') }),
  z.strictObject({
    do: z.literal('enqueue'),
    jobs: z.array(id).max(NAMES_MAX),
    change: number,
    patchset,
  }),
  z.strictObject({ do: z.literal('dequeue'), target }),
  z.strictObject({ do: z.literal('promote'), targets: z.array(target).min(1).max(NAMES_MAX) }),
  z.strictObject({
    do: z.literal('hold'),
    target: z.union([z.strictObject({ job: id }), z.strictObject({ change: number, name: id.nullable() })]),
    durationMs: z.number().int().min(1).max(Number.MAX_SAFE_INTEGER),
  }),
  z.strictObject({
    do: z.literal('release'),
    target: z.union([z.strictObject({ hold: id }), z.strictObject({ change: number })]),
  }),
  z.strictObject({ do: z.literal('recheck'), change: number }),
  z.strictObject({ do: z.literal('resume-voting') }),
  z.strictObject({
    do: z.literal('acknowledge'),
    alarm: z.strictObject({ kind: id, target: z.string().max(TARGET_MAX) }).nullable(),
  }),
  z.strictObject({ do: z.literal('reload') }),
  z.strictObject({ do: z.literal('clean'), janitor: id }),
  z.strictObject({ do: z.literal('leaks') }),
  z.strictObject({ do: z.literal('gc'), dryRun: z.boolean() }),
]);

const requestMessage = z.strictObject({
  format: z.literal(FORMAT),
  who: z.string().min(1).max(100),
  why: z.string().max(500),
  request,
});

export interface RequestMessage extends Operator {
  readonly format: number;
  readonly request: OperatorRequest;
}

/** The answer to a refused request. */
export interface Refusal {
  /** The request cannot be parsed, names nothing that exists, or is not possible now. */
  readonly kind: 'misunderstood' | 'unknown' | 'refused';
  readonly message: string;
  readonly hint: string;
}

const refusal = z.object({
  kind: z.enum(['misunderstood', 'unknown', 'refused']),
  message: z.string(),
  hint: z.string(),
});

const jobName = z.object({ id: z.string(), name: z.string() });
const jobReference = jobName.extend({ state: z.string(), change: z.number(), patchset: z.number() });
const started = z.object({
  change: z.number(),
  patchset: z.number(),
  review: z.string(),
  jobs: z.array(jobName),
});

const time = z.number().nullable();
const leakReport = z.object({
  leaks: z.array(
    z.object({
      provider: z.string().nullable(),
      kind: z.enum(['server', 'port', 'floating-ip', 'volume', 'key-pair', 'evidence']),
      id: z.string(),
      name: z.string().nullable(),
      job: z.string(),
      createdAt: time,
      jobEndedAt: time,
      firstSeenAt: z.number(),
      state: z.enum(['first-seen', 'agreed', 'remove-failed', 'unknown-job', 'removed']),
      why: z.string(),
    }),
  ),
  omitted: z.number(),
  unlisted: z.array(z.object({ part: z.string(), why: z.string(), hint: z.string() })),
});

const answers: { readonly [K in keyof OperatorAnswers]: z.ZodType<OperatorAnswers[K]> } = {
  ping: z.object({ pid: z.number(), version: z.string() }),
  enqueue: started,
  dequeue: z.object({ jobs: z.array(jobReference), reviews: z.array(z.string()) }),
  promote: z.object({ promoted: z.array(jobReference), notWaiting: z.array(jobReference) }),
  hold: z.object({ hold: z.string(), jobs: z.array(jobReference) }),
  release: z.object({
    released: z.array(z.object({ hold: z.string(), server: z.string().nullable() })),
  }),
  recheck: z.object({ begun: z.array(started), decisions: z.array(z.string()) }),
  'resume-voting': z.object({ resumed: z.boolean() }),
  acknowledge: z.object({ acknowledged: z.number() }),
  reload: z.object({
    changed: z.array(z.string()),
    restart: z.array(z.string()),
    problems: z.array(z.string()),
  }),
  clean: z.object({ cleaning: z.string(), backends: z.array(z.string()) }),
  leaks: leakReport,
  gc: leakReport,
};

const answered = z.union([
  z.object({ ok: z.literal(true), result: z.unknown() }),
  z.object({ ok: z.literal(false), refusal }),
]);

/** Parses a line as a request, or says what is wrong with it. */
export function readRequest(line: string): RequestMessage | { readonly wrong: string } {
  const parsed = requestMessage.safeParse(parseJson(line));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  return { wrong: issue === undefined ? 'not a request' : `${issue.path.join('.')}: ${issue.message}` };
}

/** Parses a line as the answer to a request of this kind; null when it is not one. */
export function readAnswer<K extends keyof OperatorAnswers>(
  kind: K,
  line: string,
): { readonly result: OperatorAnswers[K] } | { readonly refusal: Refusal } | null {
  const parsed = answered.safeParse(parseJson(line));
  if (!parsed.success) return null;
  if (!parsed.data.ok) return { refusal: parsed.data.refusal };
  const result = answers[kind].safeParse(parsed.data.result);
  return result.success ? { result: result.data } : null;
}

function parseJson(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}
