/**
 * What Publisher also promises on file systems: about modes, links, remains of earlier calls, and the removal of what
 * has expired.
 */
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink, utimes } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Expiry } from '../../src/engine/ports/publisher.ts';
import { type LocalRig, writeAt } from '../adapters/logs/rig.ts';
import { NEVER } from '../fixtures/never.ts';
import { failureOf, JOB, publishRequest } from './evidence.ts';
import { collect, expectPublished, OTHER, PARENT, publish, SHORT } from './publisher.ts';

const LIMIT_MS = 60_000;
/** The names in a directory: the jobs and what is left of earlier calls. */
const namesIn = async (path: string) => (await readdir(path)).filter((name) => name !== 'index.html').sort();

/** Declares the tests, inside a `describe` that may skip them. `make`: a host. */
export function fileSystemPublisherContract(make: () => Promise<LocalRig>): void {
  let rig: LocalRig;
  let parent: string;
  beforeEach(async () => {
    rig = await make();
    parent = join(rig.site, PARENT);
    await collect(rig, JOB);
  });
  afterEach(() => rig.close());

  test('writes to no temporary directory without this job’s mark', async () => {
    const name = (number: number) => `.sos-ci-${JOB}.${number}`;
    await writeAt(join(parent, name(1), 'precious'), 'foreign');
    await writeAt(join(parent, name(2), 'manifest.json'), '{"version":1,"job":"x","files":[]}');
    await writeAt(join(parent, name(3), 'manifest.json'), 'not JSON');
    await writeAt(join(parent, name(4)), 'a file');
    await symlink(rig.base, join(parent, name(5)));
    await expectPublished(rig, await publish(rig));
    expect(await namesIn(parent)).toEqual([...[1, 2, 3, 4, 5].map(name), SHORT]);
    expect(await readdir(join(parent, name(1)))).toEqual(['precious']);
  });

  test('follows no link below the root', async () => {
    const outside = join(rig.base, 'outside');
    await mkdir(outside);
    await mkdir(join(rig.site, '45/912345/3/check'), { recursive: true });
    await symlink(outside, parent);
    expect((await failureOf(publish(rig))).retryable).toBe(false);
    await rm(parent);
    await mkdir(parent);
    await symlink(outside, join(parent, SHORT));
    expect(fileURLToPath(await publish(rig))).toBe(`${join(parent, JOB)}/`);
    expect(await readdir(outside)).toEqual([]);
  });

  test('can be read by everyone, whatever the umask', async () => {
    const before = process.umask(0o077);
    try {
      await publish(rig);
    } finally {
      process.umask(before);
    }
    for (const entry of await readdir(rig.site, { withFileTypes: true, recursive: true })) {
      const { mode } = await stat(join(entry.parentPath, entry.name));
      expect([entry.name, mode & 0o777]).toEqual([entry.name, entry.isDirectory() ? 0o755 : 0o644]);
    }
  });

  describe('removes expired directories:', () => {
    const HOUR = 3_600_000;
    const expire = (changes: Partial<Expiry> = {}) =>
      rig
        .start()
        .expire(
          { deployment: 'd1', before: Date.now() + HOUR, isNeeded: () => false, ...changes },
          LIMIT_MS,
          NEVER,
        );

    test('those of this deployment that are old enough and not needed, and empty directories', async () => {
      await publish(rig);
      expect(await expire({ before: Date.now() - HOUR })).toBe(0);
      expect(await expire({ deployment: 'd2' })).toBe(0);
      expect(await expire({ isNeeded: (job) => job === JOB })).toBe(0);
      await expectPublished(rig, await publish(rig));
      expect(await expire()).toBe(1);
      expect(await readdir(rig.site)).toEqual([]);
      expect(await expire()).toBe(0);
      await expectPublished(rig, await publish(rig));
    });

    test('only one of two', async () => {
      await collect(rig, OTHER);
      await publish(rig);
      const url = await publish(rig, OTHER);
      expect(await expire({ isNeeded: (job) => job === OTHER })).toBe(1);
      await expectPublished(rig, url, OTHER);
      expect(await namesIn(parent)).toEqual([basename(fileURLToPath(url))]);
    });

    test('the rest of an interrupted removal, which has just changed its directory', async () => {
      const request = publishRequest({ owner: { deployment: 'd1', job: JOB, attempt: 1 } });
      const old = Date.now() - 2 * HOUR;
      const url = fileURLToPath(await rig.start({ now: () => old }).publish(request, NEVER));
      await utimes(join(url, 'manifest.json'), old / 1000, old / 1000);
      const hidden = join(parent, `.sos-ci-${JOB}.1`);
      await rename(url, hidden);
      await rm(join(hidden, 'worktree'), { recursive: true });
      expect(await expire({ before: Date.now() - HOUR })).toBe(1);
      expect(await readdir(rig.site)).toEqual([]);
    });

    test('nothing that is not a directory of ours at its own path', async () => {
      const url = fileURLToPath(await publish(rig));
      const copies = ['45/912345/3/check/acme-dsvm/copy', '45/912345/4/check/acme-dsvm/'];
      for (const copy of copies)
        await cp(url, join(rig.site, copy, copy.endsWith('/') ? SHORT : ''), { recursive: true });
      const outside = join(rig.base, 'outside');
      await cp(join(rig.site, '45'), outside, { recursive: true });
      await mkdir(join(rig.site, '46'));
      await symlink(outside, join(rig.site, '46/912346'));
      await symlink(join(outside, '912345/3/check/acme-dsvm', SHORT), join(parent, JOB));
      await writeAt(join(parent, 'x', 'manifest.json'), 'not JSON');
      await writeAt(join(rig.site, '45/912345/3/notes.txt'), 'of the operator');
      expect(await expire()).toBe(1);
      expect(await namesIn(parent)).toEqual([JOB, 'copy', 'x']);
      expect(await readdir(join(rig.site, '45/912345/4/check/acme-dsvm'))).toEqual([SHORT]);
      expect(await readdir(join(outside, '912345/3/check/acme-dsvm', SHORT))).toContain('manifest.json');
      expect(await readdir(join(rig.site, '45/912345/3'))).toContain('notes.txt');
    });
  });

  describe('the pages of the directories above', () => {
    const pageOf = (directory: string) => readFile(join(rig.site, directory, 'index.html'), 'utf8');
    const linksOf = async (directory: string) =>
      [...(await pageOf(directory)).matchAll(/href="\.\/([^"]+)"/g)].map(([, href]) => href);

    test('are written after one has expired', async () => {
      await publish(rig);
      await collect(rig, OTHER);
      await publish(rig, OTHER);
      const expiry = {
        deployment: 'd1',
        before: Date.now() + 3_600_000,
        isNeeded: (job: string) => job === JOB,
      };
      expect(await rig.start().expire(expiry, LIMIT_MS, NEVER)).toBe(1);
      expect(await linksOf(PARENT)).toEqual([`${SHORT}/index.html`]);
    });

    test('replace no link of others', async () => {
      await writeAt(join(rig.base, 'outside'), 'outside');
      await mkdir(join(rig.site, '45/912345/3/index.html'), { recursive: true });
      await symlink(join(rig.base, 'outside'), join(rig.site, '45/912345/index.html'));
      await expectPublished(rig, await publish(rig));
      expect(await pageOf('45/912345')).toBe('outside');
      expect(await linksOf('45/912345/3/check')).toEqual(['acme-dsvm/index.html']);
    });
  });
}
