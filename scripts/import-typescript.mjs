/** Imports a TypeScript module of the checkout from a script: bundled, because the oldest Node that we run on cannot read it. */
import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';

export async function importTypeScript(root, source) {
  // Below node_modules, so that packages that are not bundled are found.
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
