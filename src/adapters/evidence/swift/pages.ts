/** The pages of the directories above those of the jobs, in a container. */
import { PARENTS } from '../publish/expire.ts';
import { INDEX, MANIFEST } from '../publish/manifest.ts';
import {
  type DirectoryEntry,
  directoriesWithPage,
  type PageDirectory,
  updatePage,
} from '../publish/parent-pages.ts';
import { type Container, textContent } from './container.ts';
import { PAGE } from './object-type.ts';

/** Updates the pages from the directory of the change down to the last of `segments`. */
export async function updateContainerPages(container: Container, segments: readonly string[]): Promise<void> {
  for (const path of directoriesWithPage(segments)) {
    await updatePage(pageDirectory(container, path), path);
  }
}

function pageDirectory(container: Container, segments: readonly string[]): PageDirectory {
  const directory = `${segments.join('/')}/`;
  const page = `${directory}${INDEX}`;
  return {
    entries: async () => {
      const found: DirectoryEntry[] = [];
      for (const { path, bytes, modifiedAt } of await container.list(directory, '/')) {
        const name = path.slice(directory.length).replace(/\/$/, '');
        const isDirectory = path.endsWith('/') && name !== '';
        const entry = { name, isDirectory, bytes, modifiedAt };
        if (name === '') continue;
        if (!isDirectory || segments.length < PARENTS) found.push(entry);
        else found.push(...(await published(container, path, entry)));
      }
      return found;
    },
    pageHead: () => container.read(page),
    writePage: (text) => container.put(page, textContent(text), PAGE),
    removeFile: (name) => container.remove(`${directory}${name}`),
  };
}

/** A job's directory is shown when it is complete, with the time of its manifest. */
async function published(
  container: Container,
  path: string,
  entry: DirectoryEntry,
): Promise<readonly DirectoryEntry[]> {
  const [manifest] = await container.list(`${path}${MANIFEST}`);
  return manifest === undefined ? [] : [{ ...entry, modifiedAt: manifest.modifiedAt }];
}
