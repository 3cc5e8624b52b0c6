/**
 * Reads the events that our callback plugin wrote during a run, and finds the failed task. The strings come from the
 * node: they are bounded, and never used as a path or in a decision.
 */
import { open } from 'node:fs/promises';
import { z } from 'zod';
import type { FailedTask } from '../../machines/model/domain.ts';
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

/** The first failure that the playbook neither ignored nor rescued; null: there is none. */
export async function readFailure(file: string): Promise<PlayFailure | null> {
  const text = await readBounded(file);
  const found = text.split('\n').flatMap((line) => parse(line) ?? []);
  const first = found.find(({ ignored, rescued }) => !ignored && !rescued);
  if (first === undefined) return null;
  const cut = (field: string) => field.slice(0, MAX_TEXT);
  const { event, task, host, message } = first;
  return { task: cut(task), host: cut(host), message: cut(message), unreachable: event === 'unreachable' };
}

function parse(line: string): z.output<typeof failure> | null {
  try {
    return failure.safeParse(JSON.parse(line)).data ?? null;
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
