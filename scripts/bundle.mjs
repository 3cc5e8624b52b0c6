/**
 * Bundles TypeScript entries for Node with esbuild. Promises that `import.meta.url` keeps its meaning: inside a
 * bundle it names the place that `placeOf` gives for the source file, so a file finds what lies beside it in the
 * same way from src and from a bundle.
 */
import { readFile } from 'node:fs/promises';
import { build } from 'esbuild';

/** Native modules, and those that start workers or look for files of their own: loaded from node_modules. */
const EXTERNAL = ['better-sqlite3', 'ssh2', 'pino'];

/** CommonJS packages inside an ES module bundle still call require for Node's own modules. */
const REQUIRE =
  "import { createRequire as bundleRequire } from 'node:module'; const require = bundleRequire(import.meta.url);";

/** Writes `entries` (output name without ending -> source file) to `outdir`, shared code in chunks named by `chunks`. */
export async function bundle({ entries, outdir, chunks, placeOf }) {
  const { warnings } = await build({
    entryPoints: entries,
    outdir,
    chunkNames: chunks,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    external: EXTERNAL,
    banner: { js: REQUIRE },
    legalComments: 'none',
    logLevel: 'silent',
    plugins: [keepPlace(placeOf)],
  });
  const first = warnings[0];
  if (first !== undefined) throw new Error(`${first.location?.file}:${first.location?.line}: ${first.text}`);
}

function keepPlace(placeOf) {
  return {
    name: 'keep-place',
    setup(builder) {
      builder.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const source = await readFile(path, 'utf8');
        return { contents: source.replaceAll('import.meta.url', placeOf(path)), loader: 'ts' };
      });
    },
  };
}
