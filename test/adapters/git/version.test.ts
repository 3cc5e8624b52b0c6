import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { gitVersion } from '../../../src/adapters/git/version.ts';
import { NEVER } from '../../fixtures/never.ts';

const PATH = process.env.PATH;
let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-git-version-'));
});
afterEach(() => {
  process.env.PATH = PATH;
  rmSync(dir, { recursive: true });
});

test.each([
  ['git version 2.37.9', false],
  ['git version 2.38.0', true],
  ['git version 3.0.rc1', true],
  ['git version 1.99 (Vendor 9.9)', false],
  ['something else', false],
])('reads %s', async (says, enough) => {
  writeFileSync(join(dir, 'git'), `#!/bin/sh\necho '${says}'\n`, { mode: 0o755 });
  process.env.PATH = `${dir}:${PATH}`;
  expect(await gitVersion(NEVER)).toEqual({ text: says, enough, needed: '2.38' });
});

test('reports missing git', async () => {
  process.env.PATH = dir;
  await expect(gitVersion(NEVER)).rejects.toThrow('the program git is not installed');
});
