/**
 * The index pages of the directories above those of the jobs, from the job's name up to the change, for readers of web
 * servers that list no directories. They are made from what is there, so a page that is missing or old is corrected by
 * the next publication below its directory. A page that is not ours is never changed.
 */

import { INDEX } from './manifest.ts';
import { html, isOurPage, link, PAGE_END, pageStart, size, utc } from './page.ts';

/** The directory of the change is the second below the root. */
export const FIRST_WITH_PAGE = 2;
/** The beginning of a page, which shows whether it is ours. */
export const PAGE_HEAD_BYTES = 512;
/** A reader looks for the newest; a page with more would be slow to read. */
const MAX_ROWS = 2_000;
/** What a killed process leaves of a page that it writes. */
const UNFINISHED = /^\.index\.html\.[0-9a-f]{8}$/;
/** Another daemon may publish into the directory while its page is made. */
const ROUNDS = 3;

export interface DirectoryEntry {
  readonly name: string;
  readonly isDirectory: boolean;
  readonly bytes: number;
  /** Epoch ms; null: unknown. */
  readonly modifiedAt: number | null;
}

/** A directory with a page, on this host or on another one. */
export interface PageDirectory {
  /** All entries. Links and devices are not directories, and count as 0 bytes. */
  entries(): Promise<readonly DirectoryEntry[]>;
  /** The beginning of its page; null: it has none; '': something else has the name. */
  pageHead(): Promise<string | null>;
  /** Replaces the page atomically. */
  writePage(page: string): Promise<void>;
  removeFile(name: string): Promise<void>;
}

/** The directories with a page on the way to `segments`, the deepest first, each as its segments from the root. */
export function directoriesWithPage(segments: readonly string[]): readonly (readonly string[])[] {
  const depths = segments.map((_, index) => index + 1).filter((depth) => depth >= FIRST_WITH_PAGE);
  return depths.reverse().map((depth) => segments.slice(0, depth));
}

/** @param segments the directories from the root */
export async function updatePage(directory: PageDirectory, segments: readonly string[]): Promise<void> {
  let written: string | null = null;
  for (let round = 0; round < ROUNDS; round += 1) {
    const page = parentPage(segments, await directory.entries());
    if (page === written) return;
    const head = await directory.pageHead();
    if (head !== null && !isOurPage(head)) return;
    await directory.writePage(page);
    written = page;
  }
}

/** Removes the page of a directory that has nothing else, so that the directory can be removed. */
export async function removeLonePage(directory: PageDirectory): Promise<void> {
  const entries = await directory.entries();
  if (!entries.every(({ name }) => name === INDEX || UNFINISHED.test(name))) return;
  const head = await directory.pageHead();
  if (head !== null && !isOurPage(head)) return;
  for (const { name } of entries) await directory.removeFile(name);
}

/** The page of a directory; the names between at signs are replaced, here or on the log server by a playbook. */
export const PAGE_TEMPLATE = [
  `${pageStart('@TITLE@')}<header>\n@PARENT@<h1>@TITLE@</h1>\n</header>\n`,
  `<div class="wide" tabindex="0"><table>\n`,
  `<tr><th>Name</th><th class="number">Size</th><th class="number">Time</th></tr>\n`,
  `@ROWS@</table></div>\n@MORE@${PAGE_END}`,
].join('');

/** Names that begin with a dot are publications in progress. */
function parentPage(segments: readonly string[], entries: readonly DirectoryEntry[]): string {
  const [, change = '', patchset] = segments;
  const title = [patchset === undefined ? change : `${change},${patchset}`, ...segments.slice(3)].join(' / ');
  const shown = entries
    .filter(({ name }) => !name.startsWith('.') && name !== INDEX)
    .toSorted((a, b) => COLLATOR.compare(a.name, b.name));
  const hidden = shown.length - MAX_ROWS;
  const parts: Readonly<Record<string, string>> = {
    '@TITLE@': html(title),
    '@PARENT@':
      segments.length > FIRST_WITH_PAGE
        ? `<p class="note"><a href="../${INDEX}">Parent directory</a></p>\n`
        : '',
    '@ROWS@': shown.slice(-MAX_ROWS).map(row).join(''),
    '@MORE@': hidden > 0 ? `<p class="note">Earlier entries that are not shown: ${hidden}.</p>\n` : '',
  };
  return PAGE_TEMPLATE.replace(/@[A-Z]+@/g, (name) => parts[name] ?? name);
}

function row({ name, isDirectory, bytes, modifiedAt }: DirectoryEntry): string {
  const target = isDirectory ? link(`${name}/${INDEX}`, `${name}/`) : link(name, name);
  const time = modifiedAt === null ? '' : utc(new Date(modifiedAt).toISOString());
  return `<tr><td>${target}</td><td class="number">${isDirectory ? '' : size(bytes)}</td><td class="number">${time}</td></tr>\n`;
}

/** 10 is after 9. */
const COLLATOR = new Intl.Collator('en', { numeric: true });
