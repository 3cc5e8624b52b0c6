/**
 * The contract of Publisher, for any destination. A rig is one host whose evidence is published below `site`, a
 * directory that the test can read and that the publisher reaches in its own way.
 */
import { cp, mkdir, readdir, readFile, rm, stat, symlink } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Expiry } from '../../src/engine/ports/publisher.ts';
import { type LocalRig, writeAt } from '../adapters/logs/rig.ts';
import { NEVER } from '../fixtures/never.ts';
import { collectRequest, failureOf, JOB, publishRequest } from './evidence.ts';

const OTHER = `${JOB.slice(0, -1)}9`;
const SHORT = JOB.slice(0, 12);
const LIMIT_MS = 60_000;
/** The folders from the root to those of the jobs. */
const PARENT = '45/912345/3/check/acme-dsvm';
/** Names of one folder: the jobs and what is left of earlier calls. */
const namesIn = async (path: string) => (await readdir(path)).filter((name) => name !== 'index.html').sort();

/** Declares the tests, inside a `describe` that may skip them. `make`: a host, and another one with the same site. */
export function publisherContract(make: (site?: string) => Promise<LocalRig>): void {
  let rig: LocalRig;
  let parent: string;
  beforeEach(async () => {
    rig = await make();
    parent = join(rig.site, PARENT);
    await collect(rig, JOB);
  });
  afterEach(() => rig.close());

  async function collect(host: LocalRig, job: string): Promise<void> {
    await host.writeStageLog(job, 1, 'testing', `log of ${job}\n`);
    await host.writeTreeFile(job, 'logs/sub/a.txt', 'a');
    await host.writeTreeFile(job, 'logs/empty', '');
    await host
      .start()
      .collect(collectRequest({ owner: owner(job), server: host.server, logs: ['logs'] }), NEVER);
  }

  const owner = (job: string) => ({ deployment: 'd1', job, attempt: 1 });
  const publish = (host: LocalRig, job = JOB) =>
    host.start().publish(publishRequest({ owner: owner(job) }), NEVER);

  async function expectPublished(url: string, job = JOB): Promise<void> {
    expect(await rig.read(url, 'attempt-1/testing.log')).toBe(`log of ${job}\n`);
    expect(await rig.read(url, 'worktree/logs/sub/a.txt')).toBe('a');
    expect(await rig.read(url, 'worktree/logs/empty')).toBe('');
    const { state, files } = await rig.manifest(url);
    expect(state).toBe('published');
    for (const file of files) expect((await stat(join(fileURLToPath(url), file.path))).size).toBe(file.bytes);
    expect(await rig.page(url)).toContain('acme-dsvm');
  }

  test('publishes a directory whole, and leaves nothing beside it', async () => {
    const url = await publish(rig);
    expect(fileURLToPath(url)).toBe(`${join(parent, SHORT)}/`);
    await expectPublished(url);
    expect(await namesIn(parent)).toEqual([SHORT]);
  });

  test('finds a published directory again, also without the evidence on this host', async () => {
    const url = await publish(rig);
    const { mtimeMs } = await stat(join(fileURLToPath(url), 'manifest.json'));
    expect(await publish(rig)).toBe(url);
    await rig.start().discard(JOB, 'all');
    expect(await rig.start().held()).toEqual([]);
    expect(await publish(rig)).toBe(url);
    expect((await stat(join(fileURLToPath(url), 'manifest.json'))).mtimeMs).toBe(mtimeMs);
  });

  test('shows readers a complete directory or none', async () => {
    const seen: string[] = [];
    let published = false;
    const watch = async (): Promise<void> => {
      while (!published) {
        const names = (await readdir(parent).catch(() => [])).filter((name) => name === SHORT);
        for (const name of names)
          seen.push(JSON.parse(await readFile(join(parent, name, 'manifest.json'), 'utf8')).state);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const watching = watch();
    await publish(rig);
    published = true;
    await watching;
    expect([...new Set(seen)].filter((state) => state !== 'published')).toEqual([]);
  });

  test.each([
    ['a file is missing', 'worktree/logs/sub/a.txt'],
    ['the page is missing', 'index.html'],
  ])('replaces its own damaged directory: %s', async (_what, path) => {
    const url = await publish(rig);
    await rm(join(fileURLToPath(url), path));
    expect(await publish(rig)).toBe(url);
    await expectPublished(url);
    expect(await namesIn(parent)).toEqual([SHORT]);
  });

  test('takes the next name where another job has the first one, and refuses when both are taken', async () => {
    await writeAt(join(parent, SHORT, 'precious'), 'of another job');
    const url = await publish(rig);
    expect(fileURLToPath(url)).toBe(`${join(parent, JOB)}/`);
    await expectPublished(url);
    expect(await readdir(join(parent, SHORT))).toEqual(['precious']);
    await rm(join(parent, JOB), { recursive: true });
    await writeAt(join(parent, JOB, 'manifest.json'), '{"version":1,"job":"another","files":[]}');
    expect(await failureOf(publish(rig))).toMatchObject({ retryable: false, hint: 'move it away' });
    expect(await readdir(join(parent, JOB))).toEqual(['manifest.json']);
    expect(await namesIn(parent)).toEqual([SHORT, JOB]);
  });

  test('writes to no temporary directory without this job’s mark', async () => {
    const name = (number: number) => `.sos-ci-${JOB}.${number}`;
    await writeAt(join(parent, name(1), 'precious'), 'foreign');
    await writeAt(join(parent, name(2), 'manifest.json'), '{"version":1,"job":"x","files":[]}');
    await writeAt(join(parent, name(3), 'manifest.json'), 'not JSON');
    await writeAt(join(parent, name(4)), 'a file');
    await symlink(rig.base, join(parent, name(5)));
    await expectPublished(await publish(rig));
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

  test('publishes two jobs of one change at once', async () => {
    await collect(rig, OTHER);
    // Both want the same short name. The one that comes second is told to try again, and takes its next name.
    const untilPublished = (job: string) =>
      publish(rig, job).catch((error) => {
        expect(error).toMatchObject({ retryable: true });
        return publish(rig, job);
      });
    const [one, two] = await Promise.all([untilPublished(JOB), untilPublished(OTHER)]);
    expect(one).not.toBe(two);
    await expectPublished(one, JOB);
    await expectPublished(two, OTHER);
    expect(await publish(rig, OTHER)).toBe(two);
  });

  test('shares its root with another daemon', async () => {
    const second = await make(rig.site);
    try {
      const job = `02${JOB.slice(2)}`;
      await collect(second, job);
      const [one, two] = await Promise.all([publish(rig), publish(second, job)]);
      await expectPublished(one);
      await expectPublished(two, job);
      expect(await namesIn(parent)).toEqual([SHORT, job.slice(0, 12)]);
    } finally {
      await second.close();
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

    test('those of this deployment that are old enough and not needed, and empty folders', async () => {
      await publish(rig);
      expect(await expire({ before: Date.now() - HOUR })).toBe(0);
      expect(await expire({ deployment: 'd2' })).toBe(0);
      expect(await expire({ isNeeded: (job) => job === JOB })).toBe(0);
      await expectPublished(await publish(rig));
      expect(await expire()).toBe(1);
      expect(await readdir(rig.site)).toEqual([]);
      expect(await expire()).toBe(0);
      await expectPublished(await publish(rig));
    });

    test('only one of two', async () => {
      await collect(rig, OTHER);
      await publish(rig);
      const url = await publish(rig, OTHER);
      expect(await expire({ isNeeded: (job) => job === OTHER })).toBe(1);
      await expectPublished(url, OTHER);
      expect(await namesIn(parent)).toEqual([basename(fileURLToPath(url))]);
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

  describe('the pages of the folders above', () => {
    const pageOf = (folder: string) => readFile(join(rig.site, folder, 'index.html'), 'utf8');
    const linksOf = async (folder: string) =>
      [...(await pageOf(folder)).matchAll(/href="\.\/([^"]+)"/g)].map(([, href]) => href);

    test('lead from the change to the job, with names, sizes and times', async () => {
      await publish(rig);
      await writeAt(join(rig.site, '45/912345/notes & <b>.txt'), 'x'.repeat(1234));
      await collect(rig, OTHER);
      const second = basename(fileURLToPath(await publish(rig, OTHER)));
      expect(await linksOf('45/912345')).toEqual(['3/index.html', 'notes%20%26%20%3Cb%3E.txt']);
      expect(await pageOf('45/912345')).toContain(
        '>notes &amp; &lt;b&gt;.txt</a></td><td class="number">1.2 kB</td>',
      );
      expect(await pageOf('45/912345')).not.toContain('Parent directory');
      expect(await linksOf('45/912345/3')).toEqual(['check/index.html']);
      expect(await linksOf('45/912345/3/check')).toEqual(['acme-dsvm/index.html']);
      expect(await linksOf(PARENT)).toEqual([SHORT, second].map((name) => `${name}/index.html`));
      expect(await pageOf(PARENT)).toContain('<h1>912345,3 / check / acme-dsvm</h1>');
      expect(await pageOf(PARENT)).toMatch(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC/);
      expect(await readdir(rig.site)).toEqual(['45']);
      expect(await readdir(join(rig.site, '45'))).toEqual(['912345']);
    });

    test('are written by the call that finds the directory, and after one has expired', async () => {
      const url = await publish(rig);
      await rm(join(parent, 'index.html'));
      expect(await publish(rig)).toBe(url);
      expect(await linksOf(PARENT)).toEqual([`${SHORT}/index.html`]);
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

    test('replace no page and no link of others', async () => {
      await writeAt(join(parent, 'index.html'), '<title>of the operator</title>');
      await writeAt(join(rig.base, 'outside'), 'outside');
      await symlink(join(rig.base, 'outside'), join(rig.site, '45/912345/index.html'));
      await mkdir(join(rig.site, '45/912345/3/index.html'));
      await expectPublished(await publish(rig));
      expect(await pageOf(PARENT)).toBe('<title>of the operator</title>');
      expect(await pageOf('45/912345')).toBe('outside');
      expect(await linksOf('45/912345/3/check')).toEqual(['acme-dsvm/index.html']);
    });
  });

  test('stops on abort, and works when it is called again', async () => {
    const failure = await failureOf(rig.start().publish(publishRequest(), AbortSignal.abort()));
    expect(failure).toMatchObject({ retryable: true, operation: 'publish evidence' });
    await expectPublished(await publish(rig));
  });
}
