/** The index pages of the subdirectories of a published directory: readers need no listing by the web server. */
import { basename, dirname } from 'node:path/posix';
import { logPagePath } from './log-page.ts';
import { INDEX, type PublishedFile } from './manifest.ts';
import { html, link, PAGE_END, pageStart, size, utc } from './page.ts';

export interface Listing {
  readonly path: string;
  /** The names of its subdirectories. */
  readonly subdirectories: readonly string[];
  readonly files: readonly PublishedFile[];
}

/** @param paths all directories, relative to the published one: that is '.', and has the job's page instead */
export function listingsOf(paths: Iterable<string>, files: readonly PublishedFile[]): readonly Listing[] {
  const found = new Map(
    [...paths].map((path) => [path, { path, subdirectories: [] as string[], files: [] as PublishedFile[] }]),
  );
  for (const path of found.keys())
    if (path !== '.') found.get(dirname(path))?.subdirectories.push(basename(path));
  for (const file of files) found.get(dirname(file.path))?.files.push(file);
  found.delete('.');
  return [...found.values()];
}

/** @param pages the paths of the pages of logs */
export function* directoryPage(
  { path, subdirectories, files }: Listing,
  pages: ReadonlySet<string>,
): Generator<string> {
  yield `${pageStart(path)}<header>\n<p class="note"><a href="../${INDEX}">Parent directory</a></p>\n`;
  yield `<h1>${html(path)}</h1>\n</header>\n`;
  yield `<div class="wide" tabindex="0"><table>\n`;
  yield `<tr><th>Name</th><th class="number">Size</th><th class="number">Time</th></tr>\n`;
  for (const name of subdirectories.toSorted())
    yield `<tr><td>${link(`${name}/${INDEX}`, `${name}/`)}</td><td></td><td></td></tr>\n`;
  for (const file of files.toSorted((a, b) => (a.path < b.path ? -1 : 1))) {
    const name = basename(file.path);
    const page = pages.has(logPagePath(file.path))
      ? `${link(logPagePath(name), name)} (${link(name, 'raw')})`
      : link(name, name);
    const time = file.modifiedAt === undefined ? '' : utc(file.modifiedAt);
    yield `<tr><td>${page}</td><td class="number">${size(file.bytes)}</td><td class="number">${time}</td></tr>\n`;
  }
  yield `</table></div>\n${PAGE_END}`;
}
