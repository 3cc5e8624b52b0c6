/**
 * Runs the unit tests on Node 24, regardless of the installed Node. The runtime is an npm package that includes its
 * headers. The tests run in a copy of the sources whose packages are links to ours, except the native module, which is
 * rebuilt. Everything is kept in .cache/node24 for the next run.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The last version on which better-sqlite3 12 can destroy native objects. From 24.19 on that aborts the process. The
 * program avoids it (src/adapters/sqlite/statements.ts); test workers cannot.
 */
const VERSION = '24.18.1';
const PACKAGE = `node-${process.platform}-${process.arch}`;
const NATIVE = 'better-sqlite3';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const home = join(root, '.cache', 'node24');
const tree = join(home, 'tree');

const bin = installRuntime();
copySources();
linkPackages();
const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
const node = join(bin, 'node');
run(node, ['scripts/ensure.mjs', 'native'], { cwd: tree, env });
run(node, [join('node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)], {
  cwd: tree,
  env,
});

/** The directory of the node program. */
function installRuntime() {
  const runtime = join(home, `v${VERSION}`);
  const directory = join(runtime, 'node_modules', PACKAGE, 'bin');
  if (existsSync(join(runtime, 'complete'))) return directory;
  console.log(`sos-ci: installing Node ${VERSION} (npm package ${PACKAGE}) for the tests`);
  rmSync(runtime, { recursive: true, force: true });
  mkdirSync(runtime, { recursive: true });
  writeFileSync(join(runtime, 'package.json'), '{ "private": true }\n');
  const quiet = ['--ignore-scripts', '--no-audit', '--no-fund', '--no-package-lock', '--loglevel=error'];
  run('npm', ['install', ...quiet, `${PACKAGE}@${VERSION}`], { cwd: runtime });
  writeFileSync(join(runtime, 'complete'), '');
  return directory;
}

/** Copies the files that git would commit, and dist/. */
function copySources() {
  mkdirSync(tree, { recursive: true });
  for (const name of readdirSync(tree)) {
    if (name !== 'node_modules') rmSync(join(tree, name), { recursive: true, force: true });
  }
  const listed = run('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
    cwd: root,
    stdio: 'pipe',
  });
  const files = listed.stdout.toString('utf8').split('\0').filter(Boolean);
  for (const file of [...new Set([...files, 'dist'])]) {
    if (existsSync(join(root, file))) cpSync(join(root, file), join(tree, file), { recursive: true });
  }
}

function linkPackages() {
  const from = join(root, 'node_modules');
  const to = join(tree, 'node_modules');
  mkdirSync(to, { recursive: true });
  for (const name of readdirSync(to)) {
    if (name !== NATIVE) rmSync(join(to, name), { recursive: true, force: true });
  }
  for (const name of readdirSync(from)) {
    if (name !== NATIVE && name !== '.vite') symlinkSync(join(from, name), join(to, name));
  }
  // The copy of the last run is kept. scripts/ensure.mjs rebuilds it if its version or Node's has changed.
  if (existsSync(join(to, NATIVE))) return;
  cpSync(join(from, NATIVE), join(to, NATIVE), { recursive: true });
}

function run(command, args, options) {
  const done = spawnSync(command, args, { stdio: 'inherit', maxBuffer: 64 * 1024 * 1024, ...options });
  if (done.error !== undefined) throw done.error;
  if (done.status !== 0) process.exit(done.status ?? 1);
  return done;
}
