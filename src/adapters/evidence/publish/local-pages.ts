/** The pages of the directories above those of the jobs, on this host. */
import { lstat, unlink } from 'node:fs/promises';
import { writeAtomically } from '../../run/atomic-file.ts';
import { type Directory, errorCode, ifExists } from '../files/dir-handle.ts';
import { INDEX } from './manifest.ts';
import {
  type DirectoryEntry,
  directoriesWithPage,
  PAGE_HEAD_BYTES,
  type PageDirectory,
  updatePage,
} from './parent-pages.ts';
import { openParent, PUBLIC_FILE } from './path.ts';

/** Updates the pages from the directory of the change down to the last of `segments`. */
export async function updateLocalPages(root: string, segments: readonly string[]): Promise<void> {
  for (const path of directoriesWithPage(segments)) {
    const directory = await openParent(root, path);
    await directory.using(() => updatePage(pageDirectory(directory), path));
  }
}

export function pageDirectory(directory: Directory): PageDirectory {
  return {
    entries: async () => {
      const { entries } = await directory.entries(Number.POSITIVE_INFINITY);
      const found: DirectoryEntry[] = [];
      for (const { name } of entries) {
        const stats = await ifExists(lstat(directory.path(name)));
        if (stats === null) continue;
        const bytes = stats.isFile() ? stats.size : 0;
        found.push({ name, isDirectory: stats.isDirectory(), bytes, modifiedAt: stats.mtimeMs });
      }
      return found;
    },
    pageHead: async () => {
      const file = await directory.openFile(INDEX).catch((error: unknown) => {
        if (errorCode(error) === 'ENOENT') return null;
        if (['ELOOP', 'ENXIO', 'EACCES'].includes(errorCode(error))) return '';
        throw error;
      });
      if (file === null || file === '') return file;
      try {
        if (!(await file.stat()).isFile()) return '';
        const { buffer, bytesRead } = await file.read(Buffer.alloc(PAGE_HEAD_BYTES), 0, PAGE_HEAD_BYTES, 0);
        return buffer.toString('utf8', 0, bytesRead);
      } finally {
        await file.close();
      }
    },
    writePage: (page) => writeAtomically(directory.path(INDEX), page, { mode: PUBLIC_FILE }),
    removeFile: async (name) => {
      await ifExists(unlink(directory.path(name)));
    },
  };
}
