import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { removeFirst } from '../../../src/adapters/run/remove-first.ts';

let root: string;
let tree: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'sos-remove-'));
  tree = join(root, 'tree');
  mkdirSync(join(tree, '.stestr', '0'), { recursive: true });
  mkdirSync(join(root, 'outside'));
  for (const file of ['tree/results', 'tree/-rf', 'tree/other', 'tree/.stestr/0/1', 'outside/results'])
    writeFileSync(join(root, file), 'old\n');
});
afterEach(() => rmSync(root, { recursive: true }));

function run(paths: readonly string[], ...argv: readonly [string, ...string[]]) {
  const [program = '', ...args] = removeFirst(paths, argv);
  return spawnSync(program, args, { cwd: tree, encoding: 'utf8', timeout: 20_000 });
}

it('removes files and directories, and runs the command unchanged', () => {
  const { stdout, status } = run(
    ['results', '-rf', '.stestr', 'none', 'no/such/directory'],
    'printf',
    '%s|',
    '--',
    'a b',
    '',
  );
  expect(stdout).toBe('--|a b||');
  expect(status).toBe(0);
  expect(readdirSync(tree)).toEqual(['other']);
});

it('removes nothing outside of the tree', () => {
  symlinkSync(join(root, 'outside'), join(tree, 'link'));
  symlinkSync(join(root, 'outside', 'results'), join(tree, 'results.link'));
  expect(run(['link/results', '../outside/results', 'results.link'], 'true').status).toBe(0);
  expect(existsSync(join(root, 'outside', 'results'))).toBe(true);
  expect(existsSync(join(tree, 'results.link'))).toBe(false);
});

it('does not run the command when something cannot be removed', () => {
  const { stdout, status } = run(['.'], 'echo', 'ran');
  expect(stdout).toBe('');
  expect(status).toBe(126);
});

it('exits with the exit code of the command', () => {
  expect(run(['results'], 'sh', '-c', 'exit 3').status).toBe(3);
  expect(run(['results'], './no-such-program').status).toBe(127);
});
