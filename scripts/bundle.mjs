/**
 * Bundles TypeScript entries for Node with esbuild. Replaces `import.meta.url` by the expression that `urlOf` returns
 * for the source file, so that code finds neighbouring files in the same way from src and from a bundle.
 */
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';

/** Loaded from node_modules: they start workers, read their own files, or import packages that are not installed. */
const EXTERNAL = ['ssh2', 'pino', 'ink', 'react'];

/**
 * CommonJS packages inside an ES module bundle still call require for Node's own modules. Every file has this line, and
 * few call it.
 */
const REQUIRE =
  "import { createRequire as bundleRequire } from 'node:module'; const require = (name) => bundleRequire(import.meta.url)(name);";

/**
 * Writes `entries` (output name without ending -> source file) to `outdir`, shared code in chunks named by `chunks`.
 * `external` names more packages that are loaded from node_modules.
 */
export async function bundle({ entries, outdir, chunks, urlOf, external = [] }) {
  const { warnings } = await build({
    entryPoints: entries,
    outdir,
    chunkNames: chunks,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: [...EXTERNAL, ...external],
    banner: { js: REQUIRE },
    legalComments: 'none',
    // Node reads less at each start. Names stay, and lines are short enough for stack traces.
    minifyWhitespace: true,
    lineLimit: 120,
    logLevel: 'silent',
    plugins: [replaceImportMetaUrl(urlOf)],
  });
  const first = warnings[0];
  if (first !== undefined) throw new Error(`${first.location?.file}:${first.location?.line}: ${first.text}`);
}

function replaceImportMetaUrl(urlOf) {
  return {
    name: 'replace-import-meta-url',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        return { contents: source.replaceAll('import.meta.url', urlOf(path)), loader: 'ts' };
      });
    },
  };
}
