/**
 * Removes expired directories from the log server. Each is first renamed to a temporary name of its job, which web
 * servers do not serve, and its manifest is removed last: the rest of an interrupted removal is found by the next one.
 */
import type { Expiry } from '../../../engine/ports/publisher.ts';
import type { SftpEntry } from '../../ssh/client/client.ts';
import { hasExpired, NUMBERS, PARENTS } from '../publish/expire.ts';
import { forEach } from '../publish/for-each.ts';
import { MANIFEST } from '../publish/manifest.ts';
import { FIRST_WITH_PAGE, removeLonePage, updatePage } from '../publish/parent-pages.ts';
import { TEMPORARY_PREFIX, temporaryNames } from '../publish/transaction.ts';
import { freeTemporaryName, readManifest } from './directories.ts';
import type { LogServerFiles } from './files.ts';
import { pageDirectory } from './remote-pages.ts';

/** Of the directories below the root: they share no pages. */
const DIRECTORIES_AT_ONCE = 8;

interface Walk {
  readonly files: LogServerFiles;
  readonly expiry: Expiry;
  readonly signal: AbortSignal;
}

/** @param root the root of all logs there, not a link */
export async function expireBelow(
  walk: Walk,
  root: string,
  segments: readonly string[] = [],
): Promise<number> {
  const directory = [root, ...segments].join('/');
  const entries = (await walk.files.list(directory)).filter(({ attrs }) => attrs.isDirectory());
  const counts: number[] = [];
  await forEach(entries, segments.length === 0 ? DIRECTORIES_AT_ONCE : 1, async (entry) => {
    walk.signal.throwIfAborted();
    if (segments.length === PARENTS) counts.push(Number(await expireJob(walk, directory, entry, segments)));
    else if (segments.length >= NUMBERS || /^\d+$/.test(entry.filename))
      counts.push(await expireDirectory(walk, root, entry, segments));
  });
  return counts.reduce((sum, count) => sum + count, 0);
}

async function expireDirectory(
  walk: Walk,
  root: string,
  { filename, attrs }: SftpEntry,
  segments: readonly string[],
): Promise<number> {
  const below = [...segments, filename];
  const path = [root, ...below].join('/');
  const removed = await expireBelow(walk, root, below);
  // Parents that an interrupted call left empty are removed too. A publisher that has just entered one tries again.
  if (removed === 0 && !isOld(attrs, walk.expiry)) return 0;
  const page = below.length >= FIRST_WITH_PAGE ? pageDirectory(walk.files, path) : null;
  if (page !== null) await removeLonePage(page);
  const stays = !(await walk.files.removeEmpty(path));
  if (page !== null && stays && removed > 0) await updatePage(page, below);
  return removed;
}

async function expireJob(
  { files, expiry }: Walk,
  parent: string,
  { filename, attrs }: SftpEntry,
  segments: readonly string[],
): Promise<boolean> {
  // Most directories are recent: their manifests need not be read. An interrupted removal has just changed its own.
  if (!filename.startsWith(TEMPORARY_PREFIX) && !isOld(attrs, expiry)) return false;
  const manifest = await readManifest(files, `${parent}/${filename}`);
  if (manifest === null || !hasExpired(manifest, filename, segments, expiry)) return false;
  const isTemporary = temporaryNames(manifest.job).includes(filename);
  const hidden = isTemporary ? filename : await freeTemporaryName(files, parent, manifest.job);
  if (!isTemporary) await files.rename(`${parent}/${filename}`, `${parent}/${hidden}`);
  await files.removeTree(`${parent}/${hidden}`, MANIFEST);
  return true;
}

function isOld({ mtime }: SftpEntry['attrs'], { before }: Expiry): boolean {
  return mtime * 1000 < before;
}
