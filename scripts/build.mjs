/**
 * Builds dist/: the program in a few files that start fast, and the files of other kinds that lie between the
 * sources. The new dist/ is put in place whole, so that a build that fails leaves the old one.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { bundle } from './bundle.mjs';

/** `finish` gets the new folder before it is put in place. */
export async function buildProgram(root, finish) {
  const dist = join(root, 'dist');
  const fresh = join(root, `dist.new-${process.pid}`);
  const old = join(root, `dist.old-${process.pid}`);
  try {
    await bundle({
      entries: { 'cli/main': join(root, 'src', 'cli', 'main.ts') },
      outdir: fresh,
      // Beside the entry, so that one relative path fits them all.
      chunks: 'cli/[name]-[hash]',
      placeOf: (file) => `new URL('../${inDist(root, file)}', import.meta.url).href`,
    });
    copyAssets(join(root, 'src'), fresh);
    chmodSync(join(fresh, 'cli', 'main.js'), 0o755);
    finish(fresh);
    if (existsSync(dist)) renameSync(dist, old);
    renameSync(fresh, dist);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
    rmSync(old, { recursive: true, force: true });
  }
}

/** Where a source file would lie if dist mirrored src. */
function inDist(root, file) {
  return relative(join(root, 'src'), file).split(sep).join('/').replace(/\.ts$/, '.js');
}

/** Everything under src that is not TypeScript keeps its place and its mode. */
function copyAssets(src, dist) {
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.ts')) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const target = join(dist, relative(src, file));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(file, target);
  }
}
