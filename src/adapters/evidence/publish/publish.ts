/**
 * Publishes a job's collected evidence atomically. All files are written to a temporary directory beside the final
 * path, synced to disk, and renamed. So after a crash at any point, the next call finds either a finished directory,
 * whose path it returns, or a temporary one of this job, which it removes before it starts again. Files of another job
 * are never removed or written to.
 */
import { rename } from 'node:fs/promises';
import { OperationError } from '../../../errors.ts';
import { COLLECTED_LIST, type Collected, parseCollected } from '../collect/collected.ts';
import { Directory, errorCode, ifExists } from '../files/dir-handle.ts';
import { fill } from './content.ts';
import { candidateNames, type Holder, inspectHolder, openParent, parentSegments } from './path.ts';
import {
  freeTemporaryName,
  makeTemporary,
  type Publication,
  removeMarked,
  removeStale,
} from './transaction.ts';

type NamedHolder = Holder & { readonly name: string };

/** Publishes the evidence, or finds it already published. Resolves to the path segments below the root. */
export async function publish(publication: Publication): Promise<readonly string[]> {
  const { request, root, signal } = publication;
  const { job } = request.owner;
  const segments = parentSegments(request);
  const names = candidateNames(job);
  const parent = await openParent(root, segments);
  return parent.using(async () => {
    const holders: NamedHolder[] = [];
    for (const name of names) holders.push({ name, ...(await inspectHolder(parent, name, job, signal)) });
    const ours = holders.find((holder) => holder.state === 'ours');
    if (ours !== undefined) {
      // Remains of a crash right after the rename. The evidence is published, whether or not they can be removed.
      await removeStale(publication, parent).catch(ignoreDiskErrors);
      return [...segments, ours.name];
    }
    const target = holders.find((holder) => holder.state === 'damaged' || holder.state === 'free');
    if (target === undefined) throw noFreeName(segments, names);
    await removeStale(publication, parent);
    await publishAt(publication, parent, target);
    return [...segments, target.name];
  });
}

async function publishAt(publication: Publication, parent: Directory, target: NamedHolder): Promise<void> {
  const collected = await readCollected(publication);
  const temporary = await makeTemporary(publication, parent);
  try {
    await fill(publication, parent, temporary, collected);
    await moveIntoPlace(publication, parent, temporary, target);
  } catch (error) {
    // Frees the disk space. When that fails too, the first error is reported, and the next call removes the directory.
    await removeMarked(publication, parent, temporary).catch(() => undefined);
    throw error;
  }
}

/** Reads the list of collected files. */
async function readCollected(publication: Publication): Promise<Collected> {
  const { job } = publication.request.owner;
  const staged = await ifExists(Directory.at(publication.staged));
  const collected = staged === null ? null : await staged.using(() => readList(staged));
  if (collected !== null && collected.job === job) return collected;
  throw new OperationError({
    operation: 'publish evidence',
    target: job,
    message: 'nothing was collected for this job',
    retryable: false,
    hint: 'check why its collection failed; the logs of its stages are in the directory runs/ of the daemon',
  });
}

async function readList(staged: Directory): Promise<Collected | null> {
  const file = await ifExists(staged.openFile(COLLECTED_LIST));
  if (file === null) return null;
  try {
    return parseCollected(await file.readFile('utf8'));
  } finally {
    await file.close();
  }
}

/** Renames the temporary directory to its final name. A damaged publication of the same job is moved aside first. */
async function moveIntoPlace(
  publication: Publication,
  parent: Directory,
  temporary: string,
  target: NamedHolder,
): Promise<void> {
  let aside: string | null = null;
  if (target.state === 'damaged') {
    aside = await freeTemporaryName(publication, parent);
    publication.beforeStep('set the damaged one aside');
    await rename(parent.path(target.name), parent.path(aside));
  }
  publication.signal.throwIfAborted();
  publication.beforeStep('put in place');
  await rename(parent.path(temporary), parent.path(target.name));
  publication.beforeStep('sync parent');
  await parent.sync();
  if (aside !== null) await removeMarked(publication, parent, aside);
}

export function ignoreDiskErrors(error: unknown): void {
  if (errorCode(error) === '') throw error;
}

export function ignoreOperationErrors(error: unknown): void {
  if (!(error instanceof OperationError)) throw error;
}

/** Another process created this at the same moment. */
export function createdByAnother(target: string, path: string, hint: string): OperationError {
  return new OperationError({
    operation: 'publish evidence',
    target,
    message: `${path} was created by another process`,
    retryable: true,
    hint,
  });
}

export function noFreeName(segments: readonly string[], names: readonly string[]): OperationError {
  return new OperationError({
    operation: 'publish evidence',
    target: [...segments, names[0]].join('/'),
    message: 'a file or directory that is not ours has the name for the evidence',
    retryable: false,
    hint: 'move it out of the way',
  });
}
