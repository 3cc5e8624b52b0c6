/** The pages of the directories above those of the jobs, on the log server. */
import { randomBytes } from 'node:crypto';
import { INDEX } from '../publish/manifest.ts';
import {
  directoriesWithPage,
  PAGE_HEAD_BYTES,
  type PageDirectory,
  updatePage,
} from '../publish/parent-pages.ts';
import { openParent } from './directories.ts';
import type { LogServerFiles } from './files.ts';

/** Updates the pages from the directory of the change down to the last of `segments`. */
export async function updateRemotePages(
  files: LogServerFiles,
  dir: string,
  segments: readonly string[],
): Promise<void> {
  for (const path of directoriesWithPage(segments)) {
    await updatePage(pageDirectory(files, await openParent(files, dir, path)), path);
  }
}

/** @param path a directory that was reached without links */
export function pageDirectory(files: LogServerFiles, path: string): PageDirectory {
  const page = `${path}/${INDEX}`;
  return {
    entries: async () =>
      (await files.list(path)).map(({ filename, attrs }) => ({
        name: filename,
        isDirectory: attrs.isDirectory(),
        bytes: attrs.isFile() ? attrs.size : 0,
        modifiedAt: attrs.mtime * 1000,
      })),
    pageHead: async () => {
      if ((await files.lstat(page)) === null) return null;
      return (await files.readFile(page, PAGE_HEAD_BYTES))?.toString('utf8') ?? '';
    },
    writePage: (content) =>
      files.replace(
        page,
        `${path}/.${INDEX}.${randomBytes(4).toString('hex')}`,
        Buffer.from(content, 'utf8'),
      ),
    removeFile: (name) => files.removeFile(`${path}/${name}`),
  };
}
