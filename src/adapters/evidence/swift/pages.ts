/** The pages of the folders above the jobs' directories, in a container. */
import { FOLDERS } from '../publish/expire.ts';
import { INDEX, MANIFEST } from '../publish/manifest.ts';
import { type FolderEntry, foldersWithPage, type PageFolder, updatePage } from '../publish/parent-pages.ts';
import { type Container, textContent } from './container.ts';
import { PAGE } from './object-type.ts';

/** Updates the pages from the folder of the change down to the last of `segments`. */
export async function updateContainerPages(container: Container, segments: readonly string[]): Promise<void> {
  for (const path of foldersWithPage(segments)) {
    await updatePage(pageFolder(container, path), path);
  }
}

function pageFolder(container: Container, segments: readonly string[]): PageFolder {
  const folder = `${segments.join('/')}/`;
  const page = `${folder}${INDEX}`;
  return {
    entries: async () => {
      const found: FolderEntry[] = [];
      for (const { path, bytes, modifiedAt } of await container.list(folder, '/')) {
        const name = path.slice(folder.length).replace(/\/$/, '');
        const isDirectory = path.endsWith('/') && name !== '';
        const entry = { name, isDirectory, bytes, modifiedAt };
        if (name === '') continue;
        if (!isDirectory || segments.length < FOLDERS) found.push(entry);
        else found.push(...(await published(container, path, entry)));
      }
      return found;
    },
    pageHead: () => container.read(page),
    writePage: (text) => container.put(page, textContent(text), PAGE),
    removeFile: (name) => container.remove(`${folder}${name}`),
  };
}

/** A job's directory is shown when it is complete, with the time at which it was. */
async function published(
  container: Container,
  path: string,
  entry: FolderEntry,
): Promise<readonly FolderEntry[]> {
  const [manifest] = await container.list(`${path}${MANIFEST}`);
  return manifest === undefined ? [] : [{ ...entry, modifiedAt: manifest.modifiedAt }];
}
