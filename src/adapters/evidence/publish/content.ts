/**
 * Writes the content of a publication: every collected file without its secrets, the pages, and last the manifest.
 * Files are streamed, so memory does not grow with the evidence; each file and directory is on disk when the call
 * returns.
 */
import { mkdir } from 'node:fs/promises';
import { dirname } from 'node:path/posix';
import { writeAtomically } from '../../run/atomic-file.ts';
import {
  COLLECTED_FILES,
  type Collected,
  type CollectedFile,
  type SkippedFile,
} from '../collect/collected.ts';
import { Directory } from '../files/dir-handle.ts';
import { removeTree } from '../files/remove-tree.ts';
import { SecretFinder } from '../redact/found-secrets.ts';
import { NotPublishable, searchSecrets, transfer, type UnpackBudget } from '../redact/redacting-copy.ts';
import { indexPage, RESULTS_PAGE } from './index-page.ts';
import { INDEX, MANIFEST, manifestOf, type PublishedFile } from './manifest.ts';
import { newPage } from './new-page.ts';
import { writePages } from './pages.ts';
import { PUBLIC_DIRECTORY, PUBLIC_FILE } from './path.ts';
import type { Publication } from './transaction.ts';

/** A job's packed files may unpack to this many times its collection limit: text compresses to about a tenth. */
const UNPACK_FACTOR = 10;
const TOO_MANY_SECRETS = 'this job has too many secrets: those in it could not be removed';

/** Copies the files, and writes the pages and the manifest. */
export async function fill(
  requested: Publication,
  parent: Directory,
  temporary: string,
  all: Collected,
): Promise<void> {
  const { found, collected } = await findSecrets(requested, all);
  const publication = { ...requested, secrets: requested.secrets.with(found.values) };
  const target = await parent.enter(temporary);
  await target.using(async () => {
    const directories = new Set(['.']);
    const copied = await copyFiles(publication, target, collected, directories);
    const written = await writePages(publication, target, collected, copied.files, directories);
    const manifest = manifestOf(publication.request, {
      at: new Date(publication.now()).toISOString(),
      clean: (text) => publication.secrets.text(text),
      ...(publication.by === undefined ? {} : { by: publication.by }),
      collected,
      ...copied,
      ...written,
      found,
    });
    publication.beforeStep(INDEX);
    const index = await newPage(target, INDEX, indexPage(manifest));
    publication.beforeStep('sync');
    for (const path of directories) await (await target.enter(path)).using((directory) => directory.sync());
    const complete = { ...manifest, pages: [...manifest.pages, index] };
    publication.beforeStep(MANIFEST);
    await writeAtomically(target.path(MANIFEST), `${JSON.stringify(complete, null, 1)}\n`, {
      mode: PUBLIC_FILE,
    });
  });
}

/**
 * Searches everything before anything is published: a secret in a configuration file is removed from logs too. Returns
 * the evidence without the files that may have secrets that were not kept.
 */
async function findSecrets(
  publication: Publication,
  collected: Collected,
): Promise<{ readonly found: SecretFinder; readonly collected: Collected }> {
  const finder = new SecretFinder();
  const withheld = new Set<string>();
  const budget = { left: collected.limitBytes * UNPACK_FACTOR };
  const staged = await (await Directory.at(publication.staged)).using((directory) =>
    directory.enter(COLLECTED_FILES),
  );
  await staged.using(async () => {
    for (const { path } of collected.files) {
      if (!finder.isFull) await searchFile(publication, staged, path, budget, finder);
      if (finder.isFull) withheld.add(path);
    }
  });
  return { found: finder, collected: without(collected, withheld) };
}

async function searchFile(
  { signal }: Publication,
  staged: Directory,
  path: string,
  budget: UnpackBudget,
  finder: SecretFinder,
): Promise<void> {
  const from = await staged.openFile(path);
  try {
    await searchSecrets(path, { from, budget, signal }, finder);
  } finally {
    await from.close();
  }
}

/** The evidence without these files, which it lists as skipped. */
function without(collected: Collected, paths: ReadonlySet<string>): Collected {
  // That page has the tracebacks too.
  const hasTracebacks = !paths.has(RESULTS_PAGE);
  const skipped = [...paths].map((path) => ({ path, why: TOO_MANY_SECRETS }));
  return {
    ...collected,
    files: collected.files.filter(({ path }) => !paths.has(path)),
    failedTests: collected.failedTests.map((test) => (hasTracebacks ? test : { ...test, traceback: '' })),
    skippedFiles: [...collected.skippedFiles, ...skipped],
    skipped: collected.skipped + paths.size,
  };
}

async function copyFiles(
  publication: Publication,
  target: Directory,
  collected: Collected,
  created: Set<string>,
): Promise<{ readonly files: readonly PublishedFile[]; readonly unpublishable: readonly SkippedFile[] }> {
  const files: PublishedFile[] = [];
  const unpublishable: SkippedFile[] = [];
  const budget = { left: collected.limitBytes * UNPACK_FACTOR };
  const staged = await (await Directory.at(publication.staged)).using((directory) =>
    directory.enter(COLLECTED_FILES),
  );
  await staged.using(async () => {
    for (const file of collected.files) {
      await makeDirectories(target, dirname(file.path), created);
      publication.beforeStep(`copy ${file.path}`);
      try {
        files.push(await copyFile(publication, staged, target, file, budget));
      } catch (error) {
        if (!(error instanceof NotPublishable)) throw error;
        await removeTree(target, file.path);
        unpublishable.push({ path: file.path, why: error.message });
      }
    }
  });
  return { files, unpublishable };
}

async function copyFile(
  publication: Publication,
  staged: Directory,
  target: Directory,
  file: CollectedFile,
  budget: UnpackBudget,
): Promise<PublishedFile> {
  const from = await staged.openFile(file.path);
  try {
    const sum = await transfer({
      from,
      to: target.path(file.path),
      mode: PUBLIC_FILE,
      whole: file.cutFrom === undefined,
      secrets: publication.secrets,
      budget,
      signal: publication.signal,
    });
    return { ...file, ...sum };
  } finally {
    await from.close();
  }
}

/** Creates the directories of a path, each once, readable by all users regardless of the umask. */
async function makeDirectories(target: Directory, path: string, created: Set<string>): Promise<void> {
  if (created.has(path)) return;
  await makeDirectories(target, dirname(path), created);
  await mkdir(target.path(path));
  const directory = await target.enter(path);
  await directory.using(() => directory.setMode(PUBLIC_DIRECTORY));
  created.add(path);
}
