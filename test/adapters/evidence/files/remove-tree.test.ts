/** Removal of trees that are built to resist it, and of nothing else. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Directory } from '../../../../src/adapters/evidence/files/dir-handle.ts';
import { removeTree } from '../../../../src/adapters/evidence/files/remove-tree.ts';
import { EXHAUSTIVE } from '../../../fixtures/effort.ts';
import { makePipe } from '../../logs/rig.ts';

let base: string;
beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'sos-ci-remove-'));
});
afterEach(() => rm(base, { recursive: true, force: true }));

async function remove(name: string): Promise<void> {
  await (await Directory.at(base)).using((directory) => removeTree(directory, name));
}

test('removes files, directories and links, and never the target of a link', async () => {
  await mkdir(join(base, 'kept'));
  await writeFile(join(base, 'kept', 'precious'), 'x');
  await mkdir(join(base, 'tree', 'a', 'b'), { recursive: true });
  await symlink(join(base, 'kept'), join(base, 'tree', 'link'));
  await symlink(join(base, 'kept'), join(base, 'tree', 'a', 'b', 'link'));
  await symlink('..', join(base, 'tree', 'a', 'loop'));
  await writeFile(join(base, 'tree', 'a', '.removing-1'), 'in the way');
  await mkdir(join(base, 'tree', '.removing-1', 'x'), { recursive: true });
  await writeFile(Buffer.concat([Buffer.from(`${base}/tree/a/`), Buffer.from([0xff])]), 'x');
  makePipe(join(base, 'tree', 'pipe'));
  await remove('tree');
  expect(await readdir(base)).toEqual(['kept']);
  expect(await readFile(join(base, 'kept', 'precious'), 'utf8')).toBe('x');
});

test('removes a link to a directory, and a file; ignores a missing path', async () => {
  await mkdir(join(base, 'kept', 'a'), { recursive: true });
  await symlink(join(base, 'kept'), join(base, 'link'));
  await writeFile(join(base, 'file'), 'x');
  for (const name of ['link', 'file', 'missing']) await remove(name);
  expect(await readdir(base)).toEqual(['kept']);
  expect(await readdir(join(base, 'kept'))).toEqual(['a']);
});

test('removes a tree that is deeper than the longest path, with few open files', async () => {
  const script = `const fs = require('node:fs'); process.chdir(${JSON.stringify(base)});
    fs.mkdirSync('tree'); process.chdir('tree');
    for (let depth = 0; depth < ${EXHAUSTIVE ? 1200 : 500}; depth++) { fs.mkdirSync('directory'); fs.writeFileSync('f', ''); process.chdir('directory'); }`;
  execFileSync(process.execPath, ['-e', script]);
  const before = (await readdir('/proc/self/fd')).length;
  let most = 0;
  const watch = setInterval(() => {
    void readdir('/proc/self/fd').then((open) => {
      most = Math.max(most, open.length);
    });
  }, 5);
  try {
    await remove('tree');
  } finally {
    clearInterval(watch);
  }
  expect(await readdir(base)).toEqual([]);
  expect(most).toBeGreaterThan(0);
  expect(most - before).toBeLessThan(20);
});
