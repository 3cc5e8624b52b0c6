/** Temporary directories of concurrent operations that finish while their parent is read. */

import { mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TemporaryDirectories } from '../../../src/adapters/local/temporary-directories.ts';

describe('TemporaryDirectories', () => {
  let directory: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sos-ci-temporary-'));
  });
  afterEach(() => rmSync(directory, { recursive: true }));

  it('does not report a directory that got its final name while its parent was read', async () => {
    const directories = new TemporaryDirectories(directory);
    const path = directories.begin();
    mkdirSync(path);
    const reported = directories.abandoned();
    letThreadPoolRead();
    renameSync(path, join(directory, 'final'));
    directories.end(path);
    expect(await reported).toEqual([]);
  });

  it('reports a directory that was not removed at the end', async () => {
    const directories = new TemporaryDirectories(directory);
    const path = directories.begin();
    mkdirSync(path);
    expect(await directories.abandoned()).toEqual([]);
    directories.end(path);
    expect(await directories.abandoned()).toEqual([path]);
  });
});

/** Blocks this thread, so that the read ends in the thread pool before its continuation runs here. */
function letThreadPoolRead(): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20);
}
