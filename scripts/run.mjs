/**
 * Bundles a TypeScript program of the checkout and runs it, because the oldest supported Node cannot run TypeScript:
 * `node scripts/run.mjs bench/main.ts ARGUMENTS`.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [source, ...args] = process.argv.slice(2);
const name = source.replace(/\.ts$/, '').replaceAll('/', '-');
const outdir = join(root, '.cache', 'run');

await bundle({
  entries: { [name]: join(root, source) },
  outdir,
  chunks: '[name]-[hash]',
  // Used without the path of its native module, it looks for that beside its own files.
  external: ['better-sqlite3'],
  urlOf: (file) => JSON.stringify(pathToFileURL(file).href),
});
const { status } = spawnSync(process.execPath, [join(outdir, `${name}.js`), ...args], { stdio: 'inherit' });
process.exitCode = status ?? 1;
