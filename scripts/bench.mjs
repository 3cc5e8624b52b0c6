/**
 * Bundles bench/main.ts, or with the word --gerrit in front bench/gerrit/main.ts, because the oldest Node that we run on
 * can not read TypeScript, and runs it with the arguments given.
 */
import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { bundle } from './bundle.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const outdir = join(root, '.cache', 'bench');

const words = process.argv.slice(2);
const gerrit = words[0] === '--gerrit';
if (gerrit) words.shift();
const name = gerrit ? 'gerrit' : 'main';

await bundle({
  entries: { [name]: join(root, 'bench', ...(gerrit ? ['gerrit'] : []), 'main.ts') },
  outdir,
  chunks: '[name]-[hash]',
  placeOf: (file) => JSON.stringify(pathToFileURL(file).href),
});
const { status } = spawnSync(process.execPath, [join(outdir, `${name}.js`), ...words], { stdio: 'inherit' });
process.exitCode = status ?? 1;
