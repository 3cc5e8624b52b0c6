/** Writes the pages of a publication except the job's page, and finds in the logs what that page shows. */
import type { Collected, StageEntry } from '../collect/collected.ts';
import type { Directory } from '../files/dir-handle.ts';
import { directoryPage, listingsOf } from './directory-page.ts';
import { type FailedStage, failedStage, StageLog } from './failed-stage.ts';
import { type FailedTest, failedTests, nameInLog } from './failed-tests.ts';
import { RESULTS_PAGE } from './index-page.ts';
import { writeLogPage } from './log-page.ts';
import { INDEX, type PublishedFile } from './manifest.ts';
import { newPage } from './new-page.ts';
import type { Publication } from './transaction.ts';

export interface Pages {
  readonly pages: readonly PublishedFile[];
  readonly failedTests: readonly FailedTest[];
  /** Null for a success, or if no stage ran. */
  readonly failedStage: FailedStage | null;
}

/** @param directories relative to the published one, '.' included */
export async function writePages(
  publication: Publication,
  target: Directory,
  collected: Collected,
  files: readonly PublishedFile[],
  directories: ReadonlySet<string>,
): Promise<Pages> {
  const { request, secrets } = publication;
  const clean = (text: string): string => secrets.text(text);
  const tests =
    request.verdict === 'SUCCESS'
      ? []
      : failedTests(collected.failedTests, request.results?.failures ?? [], clean);
  const stage = request.verdict === 'SUCCESS' ? null : failedStage(publishedStages(collected, files));
  const stageLog = new StageLog(tests.map(({ name }) => nameInLog(name)));
  const pages = await writeLogPages(publication, target, files, {
    limitBytes: collected.limitBytes,
    watched: stage?.log ?? null,
    stageLog,
  });
  const paths = new Set(pages.map(({ path }) => path));
  for (const listing of listingsOf(directories, files)) {
    const path = `${listing.path}/${INDEX}`;
    publication.beforeStep(path);
    pages.push(await newPage(target, path, directoryPage(listing, paths)));
  }
  return {
    pages,
    failedTests: tests.map((test) => ({ ...test, line: stageLog.lineOf(nameInLog(test.name)) })),
    failedStage: stage === null ? null : { ...stage, ...stageLog.end },
  };
}

/** Removes from the stages the logs that were not published, because they have no last lines to show. */
function publishedStages({ stages }: Collected, files: readonly PublishedFile[]): readonly StageEntry[] {
  const paths = new Set(files.map(({ path }) => path));
  return stages.map((entry) => ({
    ...entry,
    log: entry.log !== null && paths.has(entry.log) ? entry.log : null,
  }));
}

/** Writes a page for each log, in the order of the files, until the pages are as large as a job's evidence may be. */
async function writeLogPages(
  publication: Publication,
  target: Directory,
  files: readonly PublishedFile[],
  watch: { readonly limitBytes: number; readonly watched: string | null; readonly stageLog: StageLog },
): Promise<PublishedFile[]> {
  const { signal, secrets } = publication;
  const pages: PublishedFile[] = [];
  let left = watch.limitBytes;
  for (const file of files) {
    if (file.path === RESULTS_PAGE || left <= 0) continue;
    publication.beforeStep(`page of ${file.path}`);
    const onLine = file.path === watch.watched ? { onLine: watch.stageLog.line } : {};
    const clean = (text: string): string => secrets.text(text);
    const page = await writeLogPage({ target, file, signal, clean, ...onLine });
    if (page === null) continue;
    left -= page.bytes;
    pages.push(page);
  }
  return pages;
}
