/**
 * The content type of an object. As in the examples for web servers, only our pages are HTML, and browsers save
 * archives and images. Everything else is text, also packed logs.
 */
import { RESULTS_PAGE } from '../publish/index-page.ts';
import type { ObjectType } from './container.ts';

export const PAGE: ObjectType = { type: 'text/html; charset=utf-8' };
export const PLAIN: ObjectType = { type: 'text/plain; charset=utf-8' };
const BYTES: ObjectType = { type: 'application/octet-stream' };

const SAVED =
  /\.(?:tar|tgz|tar\.gz|tar\.[a-z0-9]+|zip|xz|bz2|zst|7z|whl|jar|qcow2|img|bin|core|subunit|subunit\.gz|png|jpe?g|gif|webp)$/i;

/** @param pages the paths of our pages, but for that of the results, which is collected like a file */
export function objectType(path: string, pages: ReadonlySet<string>): ObjectType {
  if (path === RESULTS_PAGE || pages.has(path)) return PAGE;
  if (path === 'manifest.json') return { type: 'application/json' };
  if (SAVED.test(path)) return BYTES;
  return path.endsWith('.gz') ? { ...PLAIN, encoding: 'gzip' } : PLAIN;
}
