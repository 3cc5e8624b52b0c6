/**
 * The contract of Publisher, for any destination. A rig is one host whose evidence is published to a site, which the test
 * reads, and which the publisher reaches in its own way.
 */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { LocalRig } from '../adapters/logs/rig.ts';
import { NEVER } from '../fixtures/never.ts';
import { collectRequest, failureOf, JOB, publishRequest } from './evidence.ts';

export const OTHER = `${JOB.slice(0, -1)}9`;
export const SHORT = JOB.slice(0, 12);
/** The directories from the root to those of the jobs. */
export const PARENT = '45/912345/3/check/acme-dsvm';

const owner = (job: string) => ({ deployment: 'd1', job, attempt: 1 });

export async function collect(host: LocalRig, job: string): Promise<void> {
  await host.writeStageLog(job, 1, 'testing', `log of ${job}\n`);
  await host.writeTreeFile(job, 'logs/sub/a.txt', 'a');
  await host.writeTreeFile(job, 'logs/empty', '');
  const request = collectRequest({ owner: owner(job), server: host.server, logs: ['logs'] });
  await host.start().collect(request, NEVER);
}

export function publish(host: LocalRig, job = JOB): Promise<string> {
  return host.start().publish(publishRequest({ owner: owner(job) }), NEVER);
}

/** The path below the root that an address names, without the slash at the end. */
function pathOf({ siteUrl }: LocalRig, url: string): string {
  expect(url.startsWith(`${siteUrl}/`)).toBe(true);
  expect(url.endsWith('/')).toBe(true);
  return url.slice(siteUrl.length + 1, -1);
}

export async function expectPublished(host: LocalRig, url: string, job = JOB): Promise<void> {
  expect(await host.read(url, 'attempt-1/testing.log')).toBe(`log of ${job}\n`);
  expect(await host.read(url, 'worktree/logs/sub/a.txt')).toBe('a');
  expect(await host.read(url, 'worktree/logs/empty')).toBe('');
  const { state, files } = await host.manifest(url);
  expect(state).toBe('published');
  for (const { path, bytes } of files)
    expect(Buffer.byteLength((await host.read(url, path)) ?? 'missing')).toBe(bytes);
  expect(await host.page(url)).toContain('acme-dsvm');
}

/** Declares the tests, inside a `describe` that may skip them. `make`: a host, and another one with the same site. */
export function publisherContract(make: (site?: string) => Promise<LocalRig>): void {
  let rig: LocalRig;
  beforeEach(async () => {
    rig = await make();
    await collect(rig, JOB);
  });
  afterEach(() => rig.close());

  test('publishes a directory whole, and leaves nothing beside it', async () => {
    const url = await publish(rig);
    expect(pathOf(rig, url)).toBe(`${PARENT}/${SHORT}`);
    await expectPublished(rig, url);
    expect(await rig.files.names(PARENT)).toEqual([SHORT]);
  });

  test('finds a published directory again, also without the evidence on this host', async () => {
    const url = await publish(rig);
    const manifest = `${PARENT}/${SHORT}/manifest.json`;
    const version = await rig.files.version(manifest);
    expect(await publish(rig)).toBe(url);
    await rig.start().discard(JOB, 'all');
    expect(await rig.start().held()).toEqual([]);
    expect(await publish(rig)).toBe(url);
    expect(await rig.files.version(manifest)).toBe(version);
  });

  test('shows readers a complete directory or none', async () => {
    const seen = new Set<string>();
    let published = false;
    const watch = async (): Promise<void> => {
      while (!published) {
        const shown = await rig.files.read(`${PARENT}/${SHORT}/index.html`);
        if (shown !== null) {
          const log = await rig.files.read(`${PARENT}/${SHORT}/worktree/logs/sub/a.txt`);
          seen.add(log === null || !shown.endsWith('</html>\n') ? 'a part' : 'all');
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const watching = watch();
    await publish(rig);
    published = true;
    await watching;
    expect([...seen].filter((what) => what !== 'all')).toEqual([]);
  });

  test.each([
    ['a file is missing', 'worktree/logs/sub/a.txt'],
    ['the page is missing', 'index.html'],
  ])('replaces its own damaged directory: %s', async (_what, path) => {
    const url = await publish(rig);
    await rig.files.remove(`${PARENT}/${SHORT}/${path}`);
    expect(await publish(rig)).toBe(url);
    await expectPublished(rig, url);
    expect(await rig.files.names(PARENT)).toEqual([SHORT]);
  });

  test('takes the next name where another job has the first one, and refuses when both are taken', async () => {
    await rig.files.write(`${PARENT}/${SHORT}/precious`, 'of another job');
    const url = await publish(rig);
    expect(pathOf(rig, url)).toBe(`${PARENT}/${JOB}`);
    await expectPublished(rig, url);
    expect(await rig.files.names(`${PARENT}/${SHORT}`)).toEqual(['precious']);
    await rig.files.remove(`${PARENT}/${JOB}`);
    await rig.files.write(`${PARENT}/${JOB}/manifest.json`, '{"version":1,"job":"another","files":[]}');
    expect(await failureOf(publish(rig))).toMatchObject({ retryable: false, hint: 'move it out of the way' });
    expect(await rig.files.names(`${PARENT}/${JOB}`)).toEqual(['manifest.json']);
    expect(await rig.files.names(PARENT)).toEqual([SHORT, JOB]);
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
    await expectPublished(rig, one, JOB);
    await expectPublished(rig, two, OTHER);
    expect(await publish(rig, OTHER)).toBe(two);
  });

  test('shares its root with another daemon', async () => {
    const second = await make(rig.site);
    try {
      const job = `02${JOB.slice(2)}`;
      await collect(second, job);
      const [one, two] = await Promise.all([publish(rig), publish(second, job)]);
      await expectPublished(rig, one);
      await expectPublished(rig, two, job);
      expect(await rig.files.names(PARENT)).toEqual([SHORT, job.slice(0, 12)]);
    } finally {
      await second.close();
    }
  });

  describe('the pages of the directories above', () => {
    const pageOf = async (directory: string) =>
      (await rig.files.read(`${directory}/index.html`)) ?? 'missing';
    const linksOf = async (directory: string) =>
      [...(await pageOf(directory)).matchAll(/href="\.\/([^"]+)"/g)].map(([, href]) => href);

    test('lead from the change to the job, with names, sizes and times', async () => {
      await publish(rig);
      await rig.files.write('45/912345/notes & <b>.txt', 'x'.repeat(1234));
      await collect(rig, OTHER);
      const second = pathOf(rig, await publish(rig, OTHER))
        .split('/')
        .at(-1);
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
      expect(await rig.files.names('')).toEqual(['45']);
      expect(await rig.files.names('45')).toEqual(['912345']);
    });

    test('are written by the call that finds the directory', async () => {
      const url = await publish(rig);
      await rig.files.remove(`${PARENT}/index.html`);
      expect(await publish(rig)).toBe(url);
      expect(await linksOf(PARENT)).toEqual([`${SHORT}/index.html`]);
    });

    test('replace no page of others', async () => {
      await rig.files.write(`${PARENT}/index.html`, '<title>of the operator</title>');
      await expectPublished(rig, await publish(rig));
      expect(await pageOf(PARENT)).toBe('<title>of the operator</title>');
      expect(await linksOf('45/912345/3/check')).toEqual(['acme-dsvm/index.html']);
    });
  });

  test('stops on abort, and works when it is called again', async () => {
    const failure = await failureOf(rig.start().publish(publishRequest(), AbortSignal.abort()));
    expect(failure).toMatchObject({ retryable: true, operation: 'publish evidence' });
    await expectPublished(rig, await publish(rig));
  });
}
