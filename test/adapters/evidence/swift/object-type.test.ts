/** The content types of objects: our pages are HTML, and nothing that a job wrote is. */
import { expect, test } from 'vitest';
import { objectType } from '../../../../src/adapters/evidence/swift/object-type.ts';

const PAGES = new Set(['index.html', 'worktree/logs/a.log.html']);

test.each([
  ['index.html', 'text/html; charset=utf-8'],
  ['worktree/logs/a.log.html', 'text/html; charset=utf-8'],
  ['testr_results.html', 'text/html; charset=utf-8'],
  ['worktree/testr_results.html', 'text/plain; charset=utf-8'],
  ['worktree/logs/a.log', 'text/plain; charset=utf-8'],
  ['worktree/logs/a.tar.gz', 'application/octet-stream'],
  ['manifest.json', 'application/json'],
])('%s is %s', (path, type) => {
  expect(objectType(path, PAGES)).toEqual({ type });
});
