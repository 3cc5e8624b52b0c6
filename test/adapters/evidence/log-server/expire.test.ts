/** Directories on a log server are listed and removed several at once, for its answers take their time. */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';
import { connectToLogServer } from '../../../../src/adapters/evidence/log-server/connection.ts';
import { expireBelow } from '../../../../src/adapters/evidence/log-server/expire.ts';
import { LogServerFiles } from '../../../../src/adapters/evidence/log-server/files.ts';
import { needs } from '../../../fixtures/needs.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { Sshd } from '../../../fixtures/sshd.ts';
import { writeAt } from '../../logs/rig.ts';
import { logServerConfig } from './log-server.ts';

const { describe, it } = needs('sshd');

describe('a log server', () => {
  let sshd: Sshd;
  let root: string;
  beforeAll(async () => {
    sshd = await Sshd.start();
  });
  afterAll(() => sshd.close());
  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'sos-ci-expire-'));
  });
  afterEach(() => rmSync(root, { recursive: true }));

  async function withFiles(work: (files: LogServerFiles) => Promise<void>): Promise<void> {
    const client = await connectToLogServer(await logServerConfig(sshd, root), NEVER);
    try {
      await LogServerFiles.using(client, NEVER, work);
    } finally {
      await client.close();
    }
  }

  /** Calls `call`, and counts how many calls are not answered. */
  function counted<Answer>(call: (path: string) => Promise<Answer>) {
    const seen = { most: 0, now: 0, paths: [] as string[] };
    const counting = async (path: string): Promise<Answer> => {
      seen.paths.push(path);
      seen.now += 1;
      seen.most = Math.max(seen.most, seen.now);
      return call(path).finally(() => {
        seen.now -= 1;
      });
    };
    return { seen, counting };
  }

  it('removes eight files of a tree at once, follows no link, and removes the manifest last', async () => {
    const tree = join(root, 'tree');
    for (let number = 0; number < 20; number += 1)
      await writeAt(join(tree, `a/${number % 3}/${number}`), 'x');
    await writeAt(join(tree, 'manifest.json'), '{}');
    await writeAt(join(root, 'outside/manifest.json'), '{}');
    symlinkSync(join(root, 'outside'), join(tree, 'a/link'));
    await withFiles(async (files) => {
      const { seen, counting } = counted((path) => LogServerFiles.prototype.removeFile.call(files, path));
      files.removeFile = counting;
      await files.removeTree(tree, 'manifest.json');
      expect(seen.most).toBe(8);
      expect(seen.paths).toHaveLength(22);
      expect(seen.paths.at(-1)).toBe(`${tree}/manifest.json`);
    });
    expect(readdirSync(root)).toEqual(['outside']);
    expect(readdirSync(join(root, 'outside'))).toEqual(['manifest.json']);
  });

  it('lists eight directories at once for what has expired', async () => {
    for (let number = 10; number < 30; number += 1)
      mkdirSync(join(root, `${number}/9123${number}/3/check/acme-dsvm`), { recursive: true });
    await withFiles(async (files) => {
      const { seen, counting } = counted((path) => LogServerFiles.prototype.list.call(files, path));
      files.list = counting;
      const expiry = { deployment: 'd1', before: 0, isNeeded: () => false };
      expect(await expireBelow({ files, expiry, signal: NEVER }, root)).toBe(0);
      expect(seen.most).toBe(8);
      expect(seen.paths).toHaveLength(1 + 20 * 5);
    });
  });
});
