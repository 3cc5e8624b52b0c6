/** Collecting from a hostile node: no file outside of the target, nothing beyond the limits, and no endless wait. */

import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect } from 'vitest';
import { fetchTree, type TreeLimits } from '../../../src/adapters/ssh/evidence.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { Server } from '../../../src/machines/model/domain.ts';
import { HostileNode, type SftpAnswers } from '../../fakes/hostile-node.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Sshd } from '../../fixtures/sshd.ts';
import { NodeScratch } from './scratch.ts';

const { test } = needs('sshd');

const hostKey = makeKeyPair('host').privateKey;
const LIMITS: TreeLimits = {
  bytes: 1_000_000,
  files: 100,
  maxFileBytes: 200_000,
  maxEntries: 200,
  maxDepth: 5,
};
/** The answers of an honest node with an empty tree. */
const HONEST: SftpAnswers = {
  lstat: () => ({ kind: 'directory' }),
  readdir: () => null,
  fstat: () => ({ kind: 'file', size: 5 }),
  read: (_path, position) => (position === 0 ? Buffer.from('true\n') : null),
};

let keyFile: string;
let scratch: NodeScratch;
let node: HostileNode;
let server: Server;

beforeAll(async () => {
  const sshd = await Sshd.start();
  keyFile = sshd.keyFile;
  return () => sshd.close();
});
beforeEach(() => {
  scratch = new NodeScratch({ port: 0, user: 'stranger', keyFile }, { commandTimeoutMs: 3_000 });
});
afterEach(async () => {
  await scratch.close();
  await node.close();
});

async function startNode(answers: Partial<SftpAnswers>): Promise<void> {
  node = await HostileNode.start(hostKey, { ...HONEST, ...answers });
  server = scratch.server(node.port);
}

async function fetchLogs(limits: Partial<TreeLimits> = {}) {
  const into = join(scratch.root, 'into');
  mkdirSync(into);
  const skipped = await fetchTree(
    scratch.nodes,
    { server, paths: ['logs'], into, limits: { ...LIMITS, ...limits }, timeoutMs: 600_000 },
    NEVER,
  );
  const files = readdirSync(into, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(into.length + 1))
    .sort();
  const sizes = files.map((file) => statSync(join(into, file)));
  return { files, blocks: sizes.reduce((sum, { blocks }) => sum + blocks * 512, 0), skipped };
}

/** One directory with these files. */
const directoryOf = (...names: readonly string[]) => ({
  readdir: (_path: string, request: number) =>
    request === 0 ? names.map((name) => ({ name, kind: 'file' as const })) : null,
});

describe('a hostile node', () => {
  test('with invalid names writes no file outside of the target', async () => {
    await startNode(
      directoryOf('../../escaped', '/etc/escaped', 'a/../../escaped', '..', '.', '', 'nul\0l', 'good.log'),
    );
    const { files, skipped } = await fetchLogs();
    expect(files).toEqual(['tree/logs/good.log']);
    expect(skipped).toHaveLength(5);
    for (const { why } of skipped) expect(why).toBe('the node reports an invalid name for it');
    expect(node.opened.map((path) => path.slice(path.indexOf('/tree/')))).toEqual(['/tree/logs/good.log']);
  });

  test('with an endless directory is read up to the limit', async () => {
    const readdir = (_path: string, request: number) =>
      Array.from({ length: 50 }, (_, index) => ({ name: `${request}-${index}`, kind: 'pipe' as const }));
    await startNode({ readdir });
    const { skipped } = await fetchLogs();
    expect(skipped).toContainEqual({ path: 'logs', why: 'over the limit of 200 directory entries' });
    expect(skipped).toHaveLength(201);
  });

  test('with endless nesting is read up to the limit of depth', async () => {
    await startNode({
      readdir: (_path, request) => (request === 0 ? [{ name: 'd', kind: 'directory' }] : null),
    });
    const { files, skipped } = await fetchLogs();
    expect(files).toEqual([]);
    expect(skipped).toEqual([{ path: 'logs/d/d/d/d/d', why: 'deeper than 5 directories' }]);
  });

  test.each([
    ['2 to the 50', 2 ** 50],
    ['100 bytes', 100],
    ['nothing', 0],
  ])(
    'that reports a length of %s and sends endless content is read up to the limits',
    async (_what, size) => {
      const names = Array.from({ length: 20 }, (_, index) => `${index}.log`);
      await startNode({
        ...directoryOf(...names),
        fstat: () => ({ kind: 'file', size }),
        read: (_path, _position, length) => Buffer.alloc(length, 'x'),
      });
      const { files, blocks } = await fetchLogs();
      expect(files.length).toBe(size === 2 ** 50 ? 5 : 20);
      expect(blocks).toBeLessThanOrEqual(LIMITS.bytes + files.length * 4_096);
      expect(node.bytesSent).toBeLessThanOrEqual(LIMITS.bytes + files.length * 8 * 32 * 1024);
    },
  );

  test('that sends more than requested does no harm', async () => {
    await startNode({
      ...directoryOf('long.log', 'good.log'),
      fstat: (path) => ({ kind: 'file', size: path.endsWith('long.log') ? 1_000 : 5 }),
      read: (path, position, length) =>
        path.endsWith('long.log') ? Buffer.alloc(length * 8, 'x') : HONEST.read(path, position, length),
    });
    const { blocks } = await fetchLogs();
    expect(blocks).toBeLessThanOrEqual(LIMITS.bytes);
  });

  test('with wrong kinds: only files are opened', async () => {
    await startNode({
      readdir: (_path, request) =>
        request > 0
          ? null
          : [
              { name: 'link', kind: 'link' },
              { name: 'pipe', kind: 'pipe' },
              { name: 'changed', kind: 'file' },
            ],
      fstat: () => ({ kind: 'pipe', size: 5 }),
    });
    const { files, skipped } = await fetchLogs();
    expect(files).toEqual([]);
    expect(skipped).toEqual([
      { path: 'logs/link', why: 'a symbolic link' },
      { path: 'logs/pipe', why: 'a pipe' },
      { path: 'logs/changed', why: 'a pipe' },
    ]);
  });

  test('that does not answer for one file loses only that file', async () => {
    await startNode({
      ...directoryOf('hung.log', 'good.log'),
      read: (path, position, length) =>
        path.endsWith('hung.log') ? 'silence' : HONEST.read(path, position, length),
    });
    const { files, skipped } = await fetchLogs();
    expect(files).toContain('tree/logs/good.log');
    expect(skipped).toContainEqual({
      path: 'logs/hung.log',
      why: 'the node did not answer while it was read',
    });
  });

  test.each([
    ['content that never ends', 10, (length: number) => Buffer.alloc(length, '#')],
    ['a length of 2 to the 50', 2 ** 50, () => Buffer.from('1..0\n')],
  ])('whose results have %s: they are refused', async (_what, size, content) => {
    await startNode({
      lstat: () => ({ kind: 'file', size }),
      fstat: () => ({ kind: 'file', size }),
      read: (_path, _position, length) => content(length),
    });
    const runner = scratch.runner({ resultsLimitBytes: 100_000 });
    expect(await runner.readResults(server, { format: 'tap', file: 'results.tap' }, 60_000, NEVER)).toEqual({
      unreadable: 'results.tap: it is larger than 100000 bytes',
    });
    expect(node.bytesSent).toBeLessThan(1_000_000);
  });
});
