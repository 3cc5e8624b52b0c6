/** `npm run demo`: the demo of the built program; with `--lab`, with a real Gerrit, OpenStack and Tempest. */
import { spawnSync } from 'node:child_process';

const words = process.argv.slice(2);
const others = words.filter((word) => word !== '--lab');
const isLab = others.length < words.length;
const argv = isLab ? ['scripts/run.mjs', 'test/e2e/lab/demo.ts'] : ['dist/cli/main.js', 'demo'];
const { status } = spawnSync(process.execPath, [...argv, ...others], { stdio: 'inherit' });
process.exitCode = status ?? 1;
