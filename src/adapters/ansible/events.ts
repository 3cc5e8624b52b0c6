/**
 * Reads the events that our callback plugin wrote during a run: the failed task, and what the roles report. The strings
 * come from the node: they are bounded, and never used as a path or in a decision.
 */
import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { FailedTask } from '../../machines/model/domain.ts';
import type { StageFacts } from '../../machines/model/environment.ts';
import { errorCode } from '../run/fs-error.ts';

export interface PlayFailure extends FailedTask {
  /** True: Ansible could not reach the host. */
  readonly unreachable: boolean;
}

/** More than the callback plugin ever writes. */
const MAX_BYTES = 8 * 1024 ** 2;
/** The callback plugin truncates its strings; this limit is for a damaged file. */
const MAX_TEXT = 1000;

const failure = z.object({
  event: z.enum(['failed', 'unreachable']),
  task: z.string(),
  host: z.string(),
  message: z.string(),
  ignored: z.boolean(),
  rescued: z.boolean(),
});

const version = z.string().regex(/^[0-9][A-Za-z0-9.+_-]{0,60}$/);
const facts = z.object({
  event: z.literal('facts'),
  facts: z.object({
    ansible: version.optional().catch(undefined),
    devstack: z
      .string()
      .regex(/^[0-9a-f]{40}$/)
      .optional()
      .catch(undefined),
    tempest: version.optional().catch(undefined),
    proxy: z.boolean().optional().catch(undefined),
    preseed: z.boolean().optional().catch(undefined),
  }),
});

/** What the playbook and its roles reported, with the newest value of each. A value of another form is left out. */
export async function readFacts(file: string): Promise<StageFacts | null> {
  const found = (await readLines(file)).flatMap((line) => parse(facts, line)?.facts ?? []);
  const known = found.flatMap((one) => Object.entries(one)).filter(([, value]) => value !== undefined);
  return known.length === 0 ? null : Object.fromEntries(known);
}

/** The first failure that the playbook neither ignored nor rescued; null: there is none. */
export async function readFailure(file: string): Promise<PlayFailure | null> {
  const found = (await readLines(file)).flatMap((line) => parse(failure, line) ?? []);
  const first = found.find(({ ignored, rescued }) => !ignored && !rescued);
  if (first === undefined) return null;
  const cut = (field: string) => field.slice(0, MAX_TEXT);
  const { event, task, host, message } = first;
  return { task: cut(task), host: cut(host), message: cut(message), unreachable: event === 'unreachable' };
}

async function readLines(file: string): Promise<readonly string[]> {
  return (await readBounded(file)).split('\n');
}

function parse<T>(schema: z.ZodType<T>, line: string): T | null {
  try {
    return schema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    // The last line may be incomplete if the run was killed.
    return null;
  }
}

async function readBounded(file: string): Promise<string> {
  try {
    const handle = await open(file);
    try {
      const { buffer, bytesRead } = await handle.read(
        Buffer.alloc(Math.min(MAX_BYTES, (await handle.stat()).size)),
      );
      return buffer.toString('utf8', 0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return '';
    throw error;
  }
}
