/**
 * Removes published directories that have expired. Each is first renamed to a temporary name of its job, which web
 * servers do not serve, and its manifest is removed last: the rest of an interrupted removal is found by the next one.
 */
import type { Dirent } from 'node:fs';
import { lstat, realpath, rename, rmdir } from 'node:fs/promises';
import type { Expiry } from '../../../engine/ports/publisher.ts';
import { Directory, errorCode, ifExists } from '../files/dir-handle.ts';
import type { BeforeStep } from '../files/new-file.ts';
import { isJobId } from '../files/safe-names.ts';
import { pageDirectory } from './local-pages.ts';
import { MANIFEST, type Manifest, readManifest } from './manifest.ts';
import { FIRST_WITH_PAGE, removeLonePage, updatePage } from './parent-pages.ts';
import { candidateNames, parentSegments } from './path.ts';
import { freeTemporaryName, type OwnDirectories, removeMarked, temporaryNames } from './transaction.ts';

/** LAST2, CHANGE, PATCHSET, PIPELINE, JOB. */
export const PARENTS = 5;
/** The first three of them are numbers. */
export const NUMBERS = 3;

interface Walk {
  readonly root: string;
  readonly expiry: Expiry;
  readonly signal: AbortSignal;
  readonly beforeStep: BeforeStep;
}

/** @param root the root of all logs, which may be a link of the operator's */
export async function expire(
  root: string,
  expiry: Expiry,
  signal: AbortSignal,
  beforeStep: BeforeStep = () => undefined,
): Promise<number> {
  const real = await ifExists(realpath(root));
  if (real === null) return 0;
  const directory = await Directory.at(real);
  return directory.using(() => expireBelow(directory, [], { root, expiry, signal, beforeStep }));
}

async function expireBelow(directory: Directory, segments: readonly string[], walk: Walk): Promise<number> {
  const { entries } = await directory.entries(Number.POSITIVE_INFINITY);
  let removed = 0;
  for (const entry of entries) {
    walk.signal.throwIfAborted();
    if (!entry.isDirectory()) continue;
    removed +=
      segments.length === PARENTS
        ? Number(await expireJob(directory, entry.name, segments, walk))
        : await expireDirectory(directory, entry, segments, walk);
  }
  return removed;
}

async function expireDirectory(
  parent: Directory,
  { name }: Dirent,
  segments: readonly string[],
  walk: Walk,
): Promise<number> {
  if (segments.length < NUMBERS && !/^\d+$/.test(name)) return 0;
  const directory = await enterIfThere(parent, name);
  if (directory === null) return 0;
  const below = [...segments, name];
  return directory.using(async () => {
    // Parents that an interrupted call left empty are removed too. A publisher that has just entered one tries again.
    const isOld = ((await ifExists(lstat(parent.path(name))))?.mtimeMs ?? 0) < walk.expiry.before;
    const removed = await expireBelow(directory, below, walk);
    if (removed === 0 && !isOld) return 0;
    const hasPage = below.length >= FIRST_WITH_PAGE;
    if (hasPage) await removeLonePage(pageDirectory(directory));
    const stays = await rmdir(parent.path(name)).then(() => false, ignoreNotEmpty);
    if (hasPage && stays && removed > 0) await updatePage(pageDirectory(directory), below);
    return removed;
  });
}

async function expireJob(
  parent: Directory,
  name: string,
  segments: readonly string[],
  walk: Walk,
): Promise<boolean> {
  const directory = await enterIfThere(parent, name);
  const manifest =
    directory === null ? null : await directory.using(() => readOldManifest(directory, walk.expiry));
  if (manifest === null || !hasExpired(manifest, name, segments, walk.expiry)) return false;
  const own: OwnDirectories = { ...walk, request: { owner: { job: manifest.job } } };
  const isTemporary = temporaryNames(manifest.job).includes(name);
  const hidden = isTemporary ? name : await hide(own, parent, name);
  await removeMarked(own, parent, hidden);
  return true;
}

async function hide(own: OwnDirectories, parent: Directory, name: string): Promise<string> {
  const hidden = await freeTemporaryName(own, parent);
  own.beforeStep(`hide ${name}`);
  await rename(parent.path(name), parent.path(hidden));
  await parent.sync();
  return hidden;
}

/** The manifest, if it was written before the expiry; null otherwise. */
async function readOldManifest(directory: Directory, { before }: Expiry): Promise<Manifest | null> {
  const file = await directory.openFile(MANIFEST).catch(() => null);
  if (file === null) return null;
  const { mtimeMs } = await file.stat().finally(() => file.close());
  // Most directories are recent: their manifests need not be read.
  return mtimeMs < before ? readManifest(directory) : null;
}

/**
 * The proof that a directory may be removed: its manifest names this deployment, the path at which it is, and a time of
 * publication before the expiry, and its job does not need it.
 */
export function hasExpired(
  manifest: Manifest,
  name: string,
  segments: readonly string[],
  { deployment, before, isNeeded }: Expiry,
): boolean {
  const { job, publishedAt } = manifest;
  if (manifest.deployment !== deployment || !isJobId(job)) return false;
  if (!temporaryNames(job).includes(name) && !candidateNames(job).includes(name)) return false;
  return Date.parse(publishedAt) < before && isAt(manifest, segments) && !isNeeded(job);
}

/** True when the manifest names the path to its directory: a copy elsewhere is not ours. */
function isAt({ patchset, pipeline, name }: Manifest, segments: readonly string[]): boolean {
  try {
    return parentSegments({ patchset, pipeline, name }).join('/') === segments.join('/');
  } catch {
    return false;
  }
}

async function enterIfThere(parent: Directory, name: string): Promise<Directory | null> {
  try {
    return await parent.enter(name);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP', 'EACCES'].includes(errorCode(error))) return null;
    throw error;
  }
}

/** True: the directory stays. */
function ignoreNotEmpty(error: unknown): boolean {
  if (['ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) return true;
  if (['ENOENT', 'ENOTDIR'].includes(errorCode(error))) return false;
  throw error;
}
