/**
 * The logs of a job's stages and the consoles of servers that were never ready, from the run directories of its
 * attempts on this host. They outlive the server, so the log of an attempt that failed an hour ago is available too.
 * The test itself may have tampered with a run directory, so it is read with the same care as the work tree.
 */
import type { FileHandle } from 'node:fs/promises';
import { STAGES } from '../../../machines/model/domain.ts';
import { CONSOLE_LOG } from '../../run/run-directory.ts';
import { Directory, ifExists } from '../files/dir-handle.ts';
import type { StageEntry } from './collected.ts';
import { asUnreadable, type Staging, Unreadable } from './staging.ts';

const STAGE_END = /^(exited \d{1,3}|killed \d{1,3}|timedOut|stopped)$/;

/**
 * Collects the log of every stage of every attempt below a job's run directory. If the directory does not exist, the
 * job never ran.
 */
export async function collectStages(runs: string, attempts: number, staging: Staging): Promise<void> {
  const job = await readable(Directory.at(runs), 'attempt-1', staging);
  if (job === null) return;
  await job.using(async () => {
    for (let attempt = 1; attempt <= attempts; attempt++) {
      await collectConsole(job, attempt, staging);
      for (const stage of STAGES) await collectStage(job, attempt, stage, staging);
    }
  });
}

async function collectConsole(job: Directory, attempt: number, staging: Staging): Promise<void> {
  const shown = `attempt-${attempt}/${CONSOLE_LOG}`;
  const runs = await readable(job.enter(String(attempt)), shown, staging);
  await runs?.using(async () => {
    if ((await peek(runs, CONSOLE_LOG)) === null) return;
    await staging.take(runs, CONSOLE_LOG, { shown, path: shown, always: true });
  });
}

async function collectStage(job: Directory, attempt: number, stage: string, staging: Staging): Promise<void> {
  const shown = `attempt-${attempt}/${stage}.log`;
  const parent = await readable(job.enter(String(attempt)), shown, staging);
  const run =
    parent === null
      ? null
      : await parent.using((directory) => readable(directory.enter(stage), shown, staging));
  if (run === null) return;
  await run.using(async () => {
    const end = await readEnd(run);
    const taken = await staging.take(run, 'log', { shown, path: shown, always: true });
    staging.stages.push({ attempt, stage, ...end, log: taken ? shown : null });
  });
}

/**
 * Null when the directory does not exist, as for an attempt that did not get that far. Anything other than a directory
 * is listed as skipped.
 */
async function readable(
  directory: Promise<Directory>,
  shown: string,
  staging: Staging,
): Promise<Directory | null> {
  try {
    return await asUnreadable(ifExists(directory));
  } catch (error) {
    if (!(error instanceof Unreadable)) throw error;
    staging.skip(shown, `its run directory is ${error.message}`);
    return null;
  }
}

/** How and when the stage ended, as recorded by its runner. */
export async function readEnd(run: Directory): Promise<Pick<StageEntry, 'end' | 'startedAt' | 'endedAt'>> {
  const pid = await peek(run, 'pid');
  const rc = await peek(run, 'rc');
  const end = rc === null || !STAGE_END.test(rc.text) ? null : rc.text;
  return { end, startedAt: pid?.at ?? null, endedAt: end === null ? null : (rc?.at ?? null) };
}

/** The first 64 bytes of a regular file and its modification time; null for anything else. */
async function peek(directory: Directory, name: string): Promise<{ text: string; at: string } | null> {
  let file: FileHandle;
  try {
    file = await asUnreadable(directory.openFile(name));
  } catch (error) {
    if (error instanceof Unreadable) return null;
    throw error;
  }
  try {
    const stat = await file.stat();
    if (!stat.isFile()) return null;
    const { buffer, bytesRead } = await file.read(Buffer.alloc(64), 0, 64, 0);
    return { text: buffer.toString('latin1', 0, bytesRead).trim(), at: stat.mtime.toISOString() };
  } finally {
    await file.close();
  }
}
