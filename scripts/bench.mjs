/**
 * Bundles bench/main.ts, because the oldest Node that we run on can not read TypeScript, and runs it with the
 * arguments given.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = join(root, '.cache', 'bench');

await bundle({
  entries: { main: join(root, 'bench', 'main.ts') },
  outdir,
  chunks: '[name]-[hash]',
  placeOf: (file) => JSON.stringify(pathToFileURL(file).href),
});
const { status } = spawnSync(process.execPath, [join(outdir, 'main.js'), ...process.argv.slice(2)], {
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
