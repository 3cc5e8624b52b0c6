/** The demo on a real Gerrit: `npm run demo:gerrit`. */
import { fileURLToPath } from 'node:url';
import { runDemo } from '../../../src/demo/demo.ts';
import { RealHost } from './demo-host.ts';

process.stdout.write('Fetching and setting up a real Gerrit: half a minute the first time, then seconds.\n');
process.exitCode = await runDemo({
  keep: process.argv.includes('--keep'),
  color: process.stdout.isTTY && process.env.NO_COLOR === undefined,
  program: fileURLToPath(new URL('../../../dist/cli/main.js', import.meta.url)),
  makeGerrit: (directory) => RealHost.make(directory),
  out: (text) => process.stdout.write(text),
});
