/** Writes a page of ours into the directory of a publication, and computes its size and checksum. */
import { createHash } from 'node:crypto';
import type { Directory } from '../files/dir-handle.ts';
import { writeAll, writeNew } from '../files/new-file.ts';
import type { PublishedFile } from './manifest.ts';
import { PUBLIC_FILE } from './path.ts';

/** Pieces are joined into writes of about this many characters. */
const WRITE_CHARACTERS = 1 << 16;

/** @param path the path of the new page, in directories that exist */
export async function newPage(
  target: Directory,
  path: string,
  pieces: Iterable<string> | AsyncIterable<string>,
): Promise<PublishedFile> {
  const hash = createHash('sha256');
  let bytes = 0;
  await writeNew(target.path(path), PUBLIC_FILE, async (file) => {
    let text = '';
    const flush = async () => {
      const all = Buffer.from(text, 'utf8');
      text = '';
      hash.update(all);
      bytes += all.length;
      await writeAll(file, all);
    };
    for await (const piece of pieces) {
      text += piece;
      if (text.length >= WRITE_CHARACTERS) await flush();
    }
    await flush();
  });
  return { path, bytes, sha256: hash.digest('hex') };
}
