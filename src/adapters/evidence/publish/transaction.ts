/**
 * A publication in progress: a directory beside its final path that is filled and then renamed. It contains the
 * manifest, our ownership mark, almost from its creation, and the manifest is removed last, so the remains of a crash
 * can be attributed to this job. A directory without the mark is not touched, and another name is used.
 */
import { mkdir } from 'node:fs/promises';
import { OperationError } from '../../../errors.ts';
import { writeAtomically } from '../../run/atomic-file.ts';
import { type Directory, errorCode } from '../files/dir-handle.ts';
import type { BeforeStep } from '../files/new-file.ts';
import { removeTree } from '../files/remove-tree.ts';
import type { SecretSet } from '../redact/redact.ts';
import { MANIFEST, manifestOf, type PublishRequest, readManifest } from './manifest.ts';
import { PUBLIC_DIRECTORY, PUBLIC_FILE } from './path.ts';

export interface Publication {
  readonly request: PublishRequest;
  /** The root of all logs. */
  readonly root: string;
  /** The job's collected evidence. */
  readonly staged: string;
  readonly secrets: SecretSet;
  /** The version of sos-ci. */
  readonly by?: string;
  readonly now: () => number;
  readonly signal: AbortSignal;
  readonly beforeStep: BeforeStep;
}

/** What identifies the directories of a job. */
export type OwnDirectories = Pick<Publication, 'root' | 'beforeStep'> & {
  readonly request: { readonly owner: { readonly job: string } };
};

/** The number of names to try: a name is taken only when a directory or file there is not ours. */
const TEMPORARY_NAMES = 10;

/** Removes the remains of earlier attempts for this job: only directories that carry this job's mark or are empty. */
export async function removeStale(publication: Publication, parent: Directory): Promise<void> {
  for (const name of temporaryNames(publication.request.owner.job)) {
    const directory = await enterDirectory(parent, name);
    if (directory === null) continue;
    const ours = await directory.using(() => carriesMark(publication, directory));
    if (ours) await removeMarked(publication, parent, name);
  }
}

async function carriesMark(publication: Publication, directory: Directory): Promise<boolean> {
  const manifest = await readManifest(directory);
  if (manifest !== null) return manifest.job === publication.request.owner.job;
  // Interrupted between creating the directory and marking it.
  const { entries } = await directory.entries(2);
  return entries.every((entry) => entry.name === `${MANIFEST}.part`);
}

/** Removes one of our directories, its mark last. */
export async function removeMarked(
  publication: OwnDirectories,
  parent: Directory,
  name: string,
): Promise<void> {
  const directory = await enterDirectory(parent, name);
  if (directory === null) return;
  await directory.using(async () => {
    const { entries } = await directory.entries(Number.POSITIVE_INFINITY);
    for (const entry of entries) {
      if (entry.name === MANIFEST) continue;
      publication.beforeStep(`remove ${name}/${entry.name}`);
      await removeTree(directory, entry.name);
    }
  });
  publication.beforeStep(`remove ${name}`);
  await removeTree(parent, name);
}

/** Creates a temporary directory with its ownership mark. */
export async function makeTemporary(publication: Publication, parent: Directory): Promise<string> {
  const at = new Date(publication.now()).toISOString();
  const mark = manifestOf(publication.request, { at, clean: (text) => publication.secrets.text(text) });
  for (const name of temporaryNames(publication.request.owner.job)) {
    publication.beforeStep(`make ${name}`);
    try {
      await mkdir(parent.path(name), { mode: PUBLIC_DIRECTORY });
    } catch (error) {
      if (errorCode(error) === 'EEXIST') continue;
      throw error;
    }
    publication.beforeStep('mark');
    const directory = await parent.enter(name);
    await directory.using(async () => {
      await directory.setMode(PUBLIC_DIRECTORY);
      await writeAtomically(directory.path(MANIFEST), JSON.stringify(mark), { mode: PUBLIC_FILE });
    });
    return name;
  }
  throw noTemporaryName(publication.request.owner.job, publication.root);
}

/** Returns an unused name. */
export async function freeTemporaryName(publication: OwnDirectories, parent: Directory): Promise<string> {
  const { entries } = await parent.entries(Number.POSITIVE_INFINITY);
  const taken = new Set(entries.map((entry) => entry.name));
  const free = temporaryNames(publication.request.owner.job).find((name) => !taken.has(name));
  if (free === undefined) throw noTemporaryName(publication.request.owner.job, publication.root);
  return free;
}

/** It begins with a dot: web servers neither list nor serve such names, and no job's directory has one. */
export const TEMPORARY_PREFIX = '.sos-ci-';

export function temporaryNames(job: string): readonly string[] {
  return Array.from({ length: TEMPORARY_NAMES }, (_, index) => `${TEMPORARY_PREFIX}${job}.${index + 1}`);
}

/** Null when the name does not exist or is not a directory. */
async function enterDirectory(parent: Directory, name: string): Promise<Directory | null> {
  try {
    return await parent.enter(name);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return null;
    throw error;
  }
}

export function noTemporaryName(job: string, below: string): OperationError {
  return new OperationError({
    operation: 'publish evidence',
    target: job,
    message: 'all temporary names are taken by files that are not ours',
    retryable: false,
    hint: `move away the files below ${below} that begin with .sos-ci-`,
  });
}
