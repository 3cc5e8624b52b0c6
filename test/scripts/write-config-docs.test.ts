/** docs/configuration.md lists the keys of the schema. */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ROOT } from '../house/source.ts';

test('the table of keys in docs/configuration.md is current', () => {
  const argv = [join(ROOT, 'scripts', 'write-config-docs.mjs'), '--check'];
  const { status, stderr } = spawnSync(process.execPath, argv, { encoding: 'utf8' });
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
});
