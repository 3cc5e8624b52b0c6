/**
 * Runs scripts/ensure.mjs in a small copy of the repository, with a fake npm that creates just enough files and records
 * its calls: installs what is missing, reports it, and does so only once.
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { needs } from '../fixtures/needs.ts';
import { ROOT } from '../house/source.ts';

const BINARY = 'node_modules/better-sqlite3/build/Release/better_sqlite3.node';

/** Creates just enough files to pass the checks of the script, and records its calls. */
const NPM = `
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
if (process.argv[2] === '--version') { console.log('11.0.0'); process.exit(); }
appendFileSync('npm-calls', process.argv[2] + '\\n');
if (existsSync('npm-fails')) { console.log('no network'); process.exit(7); }
const module = 'node_modules/better-sqlite3';
if (process.argv[2] === 'ci') {
  rmSync(module, { recursive: true, force: true });
  mkdirSync(module, { recursive: true });
  writeFileSync(module + '/package.json', '{ "version": "1.0.0" }');
  writeFileSync(module + '/index.js', 'module.exports = class { close() {} };');
  writeFileSync('node_modules/.package-lock.json', readFileSync('package-lock.json'));
} else {
  mkdirSync(module + '/build/Release', { recursive: true });
  writeFileSync(module + '/build/Release/better_sqlite3.node', '');
}
`;

let root: string;

const { exhaustively } = needs();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sos-ci-ensure-'));
  for (const name of ['ensure', 'build', 'bundle']) {
    cpSync(join(ROOT, 'scripts', `${name}.mjs`), join(root, 'scripts', `${name}.mjs`));
  }
  for (const name of ['esbuild', '@esbuild']) link(name);
  write('npm.js', NPM);
  write('package.json', '{ "type": "module" }');
  write('package-lock.json', lockFile('1.0.0'));
  write(
    'src/cli/main.ts',
    '#!/usr/bin/env node\nconsole.log(new URL("./page.txt", import.meta.url).pathname);',
  );
  write('src/cli/page.txt', 'a page');
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

test('installs what is missing, says what and why, and does nothing the second time', async () => {
  const first = await ensure();
  expect(first.code).toBe(0);
  expect(first.output).toContain('installing packages (npm ci): node_modules does not exist');
  expect(first.output).toContain('building better-sqlite3');
  expect(first.output).toContain('building dist/: not built yet');
  expect(npmCalls()).toEqual(['ci', 'rebuild']);

  expect(await ensure()).toEqual({ code: 0, output: '' });
  expect(npmCalls()).toEqual(['ci', 'rebuild']);
});

exhaustively.test('copies a file next to a source to the same relative path in dist/', async () => {
  await ensure();
  const { output } = await run([join(root, 'dist', 'cli', 'main.js')]);
  expect(output.trim()).toBe(join(root, 'dist', 'cli', 'page.txt'));
  expect(readFileSync(output.trim(), 'utf8')).toBe('a page');
});

exhaustively.test('installs and builds only what changed', async () => {
  await ensure();

  write('src/cli/main.ts', 'console.log(2);');
  expect((await ensure()).output).toBe('sos-ci: building dist/: its sources changed\n');

  write('package-lock.json', lockFile('1.0.1'));
  expect((await ensure()).output).toContain('better-sqlite3 is 1.0.0 instead of 1.0.1');
  expect(npmCalls()).toEqual(['ci', 'rebuild', 'ci', 'rebuild']);

  write('node_modules/better-sqlite3/build/.built-for', 'better-sqlite3 1.0.0, module version 1, linux x64');
  expect((await ensure()).output).toContain('it was built for better-sqlite3 1.0.0, module version 1');

  rmSync(join(root, BINARY));
  expect((await ensure()).output).toContain('not built yet');
});

exhaustively.test('accepts packages that were installed by hand', async () => {
  await ensure();
  rmSync(join(root, 'node_modules/better-sqlite3/build/.built-for'));
  expect(await ensure()).toEqual({ code: 0, output: '' });
  expect(npmCalls()).toEqual(['ci', 'rebuild']);
});

exhaustively.test('shows why an install failed, and succeeds the next time', async () => {
  write('npm-fails', '');
  const failed = await ensure();
  expect(failed.code).toBe(1);
  expect(failed.output).toContain('no network');
  expect(failed.output).toContain('failed (7). The whole output is in .cache/install.log');

  rmSync(join(root, 'npm-fails'));
  expect((await ensure()).code).toBe(0);
});

test('says what to install when the native module cannot be compiled', async () => {
  await ensure();
  rmSync(join(root, BINARY));
  write('npm-fails', '');
  const { code, output } = await ensure({ PATH: join(root, 'empty') });
  expect(code).toBe(1);
  expect(output).toContain(
    'install python3, make, g++ (Debian and Ubuntu: apt-get install -y python3 make g++)',
  );
});

exhaustively.test('keeps the old dist/ if a source has a syntax error', async () => {
  await ensure();
  write('src/cli/main.ts', 'const = 1;');
  const { code, output } = await ensure();
  expect(code).toBe(1);
  expect(output).toContain('src/cli/main.ts:1:');
  expect(readFileSync(join(root, 'dist', 'cli', 'page.txt'), 'utf8')).toBe('a page');
});

test('installs once if two run at the same time, and breaks the lock of a dead process', async () => {
  write('.cache/ensure.lock', String(2 ** 22 + 1));
  const both = await Promise.all([ensure(), ensure()]);
  expect(both.map(({ code }) => code)).toEqual([0, 0]);
  expect(npmCalls()).toEqual(['ci', 'rebuild']);
});

function ensure(env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; output: string }> {
  return run([join(root, 'scripts', 'ensure.mjs')], { npm_execpath: join(root, 'npm.js'), ...env });
}

function run(argv: string[], env: NodeJS.ProcessEnv = {}): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, argv, { cwd: root, env: { ...process.env, ...env } });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, output }));
  });
}

function npmCalls(): string[] {
  return readFileSync(join(root, 'npm-calls'), 'utf8').trim().split('\n');
}

function lockFile(version: string): string {
  return JSON.stringify({ packages: { 'node_modules/better-sqlite3': { version, integrity: version } } });
}

function link(name: string): void {
  mkdirSync(join(root, 'node_modules'), { recursive: true });
  symlinkSync(join(ROOT, 'node_modules', name), join(root, 'node_modules', name));
}

function write(path: string, text: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}
