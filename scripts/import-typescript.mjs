/** Imports a TypeScript module of the checkout, bundled, because the oldest supported Node cannot run TypeScript. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export async function importTypeScript(root, source) {
  // Below node_modules, so that the import of unbundled packages works.
  const scratch = mkdtempSync(join(root, 'node_modules', '.import-'));
  try {
    const outfile = join(scratch, 'module.mjs');
    await build({
      entryPoints: [join(root, source)],
      outfile,
      bundle: true,
      format: 'esm',
      platform: 'node',
      packages: 'external',
      logLevel: 'warning',
    });
    return await import(pathToFileURL(outfile).href);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
