/**
 * Builds dist/: the program, bundled into a few files so that it starts fast, and the other files below src/. Replaces
 * dist/ at the end, so a failed build keeps the old one.
 */
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { bundle } from './bundle.mjs';

/** `finish` is called with the new directory before it replaces dist/. */
export async function buildProgram(root, finish) {
  const dist = join(root, 'dist');
  const newDist = join(root, `dist.new-${process.pid}`);
  const oldDist = join(root, `dist.old-${process.pid}`);
  try {
    await bundle({
      entries: { 'cli/main': join(root, 'src', 'cli', 'main.ts') },
      outdir: newDist,
      // Chunks are in the directory of the entry, so the same relative path is right for all of them.
      chunks: 'cli/[name]-[hash]',
      urlOf: (file) => `new URL('../${inDist(root, file)}', import.meta.url).href`,
    });
    copyAssets(join(root, 'src'), newDist);
    chmodSync(join(newDist, 'cli', 'main.js'), 0o755);
    finish(newDist);
    if (existsSync(dist)) renameSync(dist, oldDist);
    renameSync(newDist, dist);
  } finally {
    rmSync(newDist, { recursive: true, force: true });
    rmSync(oldDist, { recursive: true, force: true });
  }
}

/** The path of a source file below dist if dist mirrored src. */
function inDist(root, file) {
  return relative(join(root, 'src'), file).split(sep).join('/').replace(/\.ts$/, '.js');
}

/** Copies all files below src that are not TypeScript, with their paths and modes. */
function copyAssets(src, dist) {
  for (const entry of readdirSync(src, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || entry.name.endsWith('.ts')) continue;
    const file = join(entry.parentPath ?? entry.path, entry.name);
    const target = join(dist, relative(src, file));
    mkdirSync(dirname(target), { recursive: true });
    copyFileSync(file, target);
  }
}
