/** Bundles faulty-daemon.ts once for a test file. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../house/source.ts';

export class FaultyProgram {
  /** Inside the checkout, so that packages that are not bundled are found. */
  readonly #directory: string;

  constructor() {
    mkdirSync(join(ROOT, '.cache'), { recursive: true });
    this.#directory = mkdtempSync(join(ROOT, '.cache', 'faulty-daemon-'));
    const code = `
      import { pathToFileURL } from 'node:url';
      import { bundle } from ${JSON.stringify(join(ROOT, 'scripts', 'bundle.mjs'))};
      await bundle({
        entries: { main: ${JSON.stringify(join(ROOT, 'test', 'e2e', 'faulty-daemon.ts'))} },
        outdir: ${JSON.stringify(this.#directory)},
        chunks: '[name]-[hash]',
        urlOf: (path) => JSON.stringify(pathToFileURL(path).href),
      });`;
    const built = spawnSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
    if (built.status !== 0) throw new Error(`the faulty daemon cannot be bundled: ${built.stderr}`);
  }

  get main(): string {
    return join(this.#directory, 'main.js');
  }

  remove(): void {
    rmSync(this.#directory, { recursive: true });
  }
}
