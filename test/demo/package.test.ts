/** The npm package contains all files that the demo reads besides its sources. */
import { readdirSync } from 'node:fs';
import { join, relative } from 'node:path';
import { expect, test } from 'vitest';
import { packedFiles } from '../fixtures/packed-files.ts';
import { ROOT } from '../house/source.ts';

test('the npm package has the sample project, the packages, the playbook and its collection', () => {
  const sources = readdirSync(join(ROOT, 'src', 'demo'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && !entry.name.endsWith('.ts'))
    .map((entry) => relative(join(ROOT, 'src'), join(entry.parentPath ?? entry.path, entry.name)));
  expect(sources).toContain('demo/lab/stack.yml');
  const collection = ['action/run.py', 'modules/run.py', 'callback/events.py'];
  expect(packedFiles()).toEqual(
    expect.arrayContaining([
      ...sources.map((file) => `dist/${file}`),
      ...collection.map((file) => `ansible/plugins/${file}`),
    ]),
  );
});
