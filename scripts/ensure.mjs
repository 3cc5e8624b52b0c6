#!/usr/bin/env node
/**
 * Makes a fresh clone ready to run: installs the packages, builds the one native module and bundles the program,
 * each only when it is missing or out of date, and prints what it does and why. Needs only Node and npm. If nothing
 * changed, it only reads and compares, so it is fast enough to run before each npm script.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const OLDEST_NODE = [20, 19];
const NATIVE = 'better-sqlite3';

/** Brings everything under `root` up to date. Throws an Error with a readable message if that fails. */
export async function ensure(root, say) {
  const stale = () => packagesReason(root) ?? nativeReason(root) ?? distReason(root);
  checkNodeVersion();
  if (stale() === null) return;
  const unlock = await lock(root, say);
  try {
    await ensurePackages(root, say);
    await ensureNative(root, say);
    await ensureDist(root, say);
  } finally {
    unlock();
  }
}

async function ensurePackages(root, say) {
  const reason = packagesReason(root);
  if (reason === null) return;
  say(`sos-ci: installing packages (npm ci): ${reason}`);
  await run(
    root,
    say,
    'install',
    npm(['ci', '--include=dev', '--include=optional', '--no-audit', '--no-fund']),
  );
}

/** Compiles or downloads the native module for the Node that runs this. */
async function ensureNative(root, say) {
  const reason = nativeReason(root);
  if (reason === null) return;
  if (reason === UNPROVEN && (await canLoadNative(root))) {
    writeFileSync(nativeStamp(root), nativeWanted(root));
    return;
  }
  say(`sos-ci: building ${NATIVE} for Node ${process.version}: ${reason}`);
  say('  downloads a prebuilt binary if there is one, else compiles SQLite from source (about a minute)');
  const argv = npm(['rebuild', NATIVE, '--ignore-scripts=false']);
  await run(root, say, 'native', argv, { ...process.env, JOBS: 'max', ...headers() }).catch((error) => {
    throw new Error(`${error.message}\n${missingTools()}`);
  });
  if (!(await canLoadNative(root)))
    throw new Error(`${NATIVE} was built but does not load. Delete node_modules and try again.`);
  writeFileSync(nativeStamp(root), nativeWanted(root));
}

async function ensureDist(root, say) {
  const reason = distReason(root);
  if (reason === null) return;
  say(`sos-ci: building dist/: ${reason}`);
  const wanted = sourceHash(root);
  const { buildProgram } = await import('./build.mjs');
  await buildProgram(root, (dist) => writeFileSync(join(dist, '.built-from'), wanted));
}

/** Why the packages must be installed, or null. Compares the installed packages with the lock file, entry by entry. */
function packagesReason(root) {
  const installed = readText(join(root, 'node_modules', '.package-lock.json'));
  if (installed === null) return 'node_modules does not exist';
  const have = JSON.parse(installed).packages;
  for (const [path, entry] of Object.entries(
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages,
  )) {
    if (path === '' || (have[path] === undefined && entry.optional === true)) continue;
    const name = path.slice('node_modules/'.length);
    if (have[path] === undefined) return `${name} is missing`;
    if (have[path].version !== entry.version)
      return `${name} is ${have[path].version} instead of ${entry.version}`;
    if (have[path].integrity !== entry.integrity)
      return `${name} does not match its checksum in the lock file`;
  }
  return null;
}

const UNPROVEN = 'it is unknown for which Node it was built';

function nativeReason(root) {
  if (!existsSync(join(root, 'node_modules', NATIVE, 'build', 'Release', 'better_sqlite3.node')))
    return 'not built yet';
  const built = readText(nativeStamp(root));
  if (built === null) return UNPROVEN;
  return built === nativeWanted(root) ? null : `it was built for ${built}`;
}

function nativeStamp(root) {
  return join(root, 'node_modules', NATIVE, 'build', '.built-for');
}

function nativeWanted(root) {
  const { version } = JSON.parse(readFileSync(join(root, 'node_modules', NATIVE, 'package.json'), 'utf8'));
  return `${NATIVE} ${version}, module version ${process.versions.modules}, ${process.platform} ${process.arch}`;
}

function distReason(root) {
  const built = readText(join(root, 'dist', '.built-from'));
  if (built === null) return 'not built yet';
  return built === sourceHash(root) ? null : 'its sources changed';
}

/** One hash over everything that goes into dist/. */
function sourceHash(root) {
  const hash = createHash('sha256');
  const single = ['package.json', 'package-lock.json', 'scripts/build.mjs', 'scripts/bundle.mjs'];
  const files = [...single.map((name) => join(root, name)), ...filesUnder(join(root, 'src'))];
  for (const file of files)
    hash
      .update(`${relative(root, file)}\0`)
      .update(readFileSync(file))
      .update('\0');
  return hash.digest('hex');
}

function filesUnder(directory) {
  return readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}

/** Allows one run at a time for each checkout. A second one waits and then has nothing to do. */
async function lock(root, say) {
  const file = join(root, '.cache', 'ensure.lock');
  const own = `${file}.${process.pid}`;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(own, String(process.pid));
  try {
    for (let reported = false; !tryLink(own, file); reported = true) {
      const holder = readText(file);
      if (holder !== null && !isAlive(Number(holder))) breakLock(file, holder, `${own}.dead`);
      else if (!reported)
        say(`sos-ci: waiting for another install or build (process ${holder} holds .cache/ensure.lock)`);
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  } finally {
    rmSync(own, { force: true });
  }
  return () => rmSync(file, { force: true });
}

/** link() is atomic, so no process reads a lock that does not name its holder yet. */
function tryLink(own, file) {
  try {
    linkSync(own, file);
    return true;
  } catch (error) {
    if (error.code === 'EEXIST') return false;
    throw error;
  }
}

/** Removes the lock of a dead process. Restores it if another process has taken the lock meanwhile. */
function breakLock(file, holder, aside) {
  try {
    renameSync(file, aside);
    if (readText(aside) !== holder) tryLink(aside, file);
  } catch (error) {
    if (error.code !== 'ENOENT') throw error;
  }
  rmSync(aside, { force: true });
}

function isAlive(pid) {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error.code === 'EPERM';
  }
}

/** Runs a command with its output in a file under .cache. On failure the error contains the end of that file. */
async function run(root, say, name, argv, env = process.env) {
  const log = join(root, '.cache', `${name}.log`);
  mkdirSync(dirname(log), { recursive: true });
  const out = openSync(log, 'w');
  const began = Date.now();
  const ticker = setInterval(() => say(`  ... ${Math.round((Date.now() - began) / 1000)} s`), 15_000);
  try {
    const code = await exitOf(spawn(argv[0], argv.slice(1), { cwd: root, env, stdio: ['ignore', out, out] }));
    if (code === 0) return say(`  done in ${((Date.now() - began) / 1000).toFixed(1)} s`);
    const tail = readFileSync(log, 'utf8').trimEnd().split('\n').slice(-60).join('\n');
    throw new Error(
      `${tail}\n\n${argv.join(' ')} failed (${code}). The whole output is in ${relative(root, log)}.`,
    );
  } finally {
    clearInterval(ticker);
    closeSync(out);
  }
}

function exitOf(child) {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve(code ?? signal));
  });
}

/** The npm that started this script, run by this Node; otherwise the npm in PATH. */
function npm(args) {
  const own = process.env.npm_execpath;
  return own?.endsWith('.js') ? [process.execPath, own, ...args] : ['npm', ...args];
}

/** Points node-gyp to the headers that are installed with Node, if any, so that compiling needs no download. */
function headers() {
  const prefix = dirname(dirname(process.execPath));
  if (!existsSync(join(prefix, 'include', 'node', 'node_api.h'))) return {};
  // node-gyp reads the first variable. npm 10 and older need the second, and newer npm warns about it.
  const [command, ...args] = npm(['--version']);
  const major = Number.parseInt(spawnSync(command, args, { encoding: 'utf8' }).stdout, 10);
  return { npm_package_config_node_gyp_nodedir: prefix, ...(major < 11 && { npm_config_nodedir: prefix }) };
}

async function canLoadNative(root) {
  const probe = `new (require('${NATIVE}'))(':memory:').close()`;
  return (await exitOf(spawn(process.execPath, ['-e', probe], { cwd: root, stdio: 'ignore' }))) === 0;
}

function missingTools() {
  const directories = (process.env.PATH ?? '').split(':');
  const missing = ['python3', 'make', 'g++'].filter(
    (tool) => !directories.some((directory) => existsSync(join(directory, tool))),
  );
  return missing.length > 0
    ? `To compile ${NATIVE}, install ${missing.join(', ')} (Debian and Ubuntu: apt-get install -y python3 make g++) and try again.`
    : `python3, make and g++ are installed; the log says why ${NATIVE} did not build.`;
}

function checkNodeVersion() {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  if (major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1])) return;
  throw new Error(`sos-ci needs Node ${OLDEST_NODE.join('.')} or newer; this is ${process.version}.`);
}

function readText(file) {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const root = join(dirname(fileURLToPath(import.meta.url)), '..');
  // `native` builds only the native module, for a copy of the sources that another Node runs.
  const work = process.argv[2] === 'native' ? ensureNative(root, console.log) : ensure(root, console.log);
  work.catch((error) => {
    console.error(`sos-ci: ${error.message}`);
    process.exitCode = 1;
  });
}
