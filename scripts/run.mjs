/**
 * Bundles a TypeScript program of the checkout, because the oldest Node that we run on cannot read TypeScript, and runs it:
 * `node scripts/run.mjs bench/main.ts ARGUMENTS`.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const [source, ...words] = process.argv.slice(2);
const name = source.replace(/\.ts$/, '').replaceAll('/', '-');
const outdir = join(root, '.cache', 'run');

await bundle({
  entries: { [name]: join(root, source) },
  outdir,
  chunks: '[name]-[hash]',
  placeOf: (file) => JSON.stringify(pathToFileURL(file).href),
});
const { status } = spawnSync(process.execPath, [join(outdir, `${name}.js`), ...words], { stdio: 'inherit' });
process.exitCode = status ?? 1;
