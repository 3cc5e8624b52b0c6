/** Evidence that is published to a real Swift, with the tokens of a real Keystone. */
import { randomBytes } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Manifest } from '../../../src/adapters/evidence/publish/manifest.ts';
import { probeContainer } from '../../../src/adapters/evidence/swift/probe.ts';
import { SwiftPublisher } from '../../../src/adapters/evidence/swift/publisher.ts';
import { openStackSession } from '../../../src/app/openstack-session.ts';
import { type LocalRig, makeRig } from '../../adapters/logs/rig.ts';
import { collectRequest, failureOf, JOB, publishRequest } from '../../contracts/evidence.ts';
import {
  collect,
  expectPublished,
  PARENT,
  publish,
  publisherContract,
  SHORT,
} from '../../contracts/publisher.ts';
import { CuttingProxy } from '../../fixtures/cutting-proxy.ts';
import { NEVER } from '../../fixtures/never.ts';
import { Cloud } from './cloud.ts';

const HOUR = 3_600_000;
const cloud = new Cloud();
let containers = 0;

beforeAll(() => {
  // A daemon finds it in its working directory.
  process.env.OS_CLIENT_CONFIG_FILE = cloud.cloudsYaml;
  cloud.start('swift');
});
afterAll(() => {
  delete process.env.OS_CLIENT_CONFIG_FILE;
  cloud.stop('swift');
});

interface Listed {
  readonly name?: string;
  readonly subdir?: string;
}

/** A host that publishes to a container. */
async function make(existing?: string, deleteAfterMs = HOUR): Promise<LocalRig> {
  containers += 1;
  const container = existing ?? `logs-${containers}-${randomBytes(4).toString('hex')}`;
  const url = await cloud.containerUrl(container);
  await cloud.swift('PUT', url, { headers: { 'x-container-read': '.r:*' } });
  const session = openStackSession({ cloud: 'lab', openrcFile: null });
  const rig = await makeRig(undefined, () => new SwiftPublisher({ session, container, deleteAfterMs }));
  const address = (path: string) => `${url}/${path.split('/').map(encodeURIComponent).join('/')}`;
  /** As everyone, without a token. */
  const read = async (of: string) => {
    const response = await fetch(of);
    return response.ok ? response.text() : null;
  };
  const list = async (query: string): Promise<readonly Listed[]> =>
    (await (await cloud.swift('GET', `${url}?format=json&${query}`)).json()) as readonly Listed[];
  const remove = async (name: string) => cloud.swift('DELETE', address(name));
  return {
    ...rig,
    site: container,
    siteUrl: url,
    start: (options) => rig.start({ url, ...options }),
    read: (of, path) => read(`${of}${path}`),
    manifest: async (of) => JSON.parse((await read(`${of}manifest.json`)) ?? '') as Manifest,
    page: async (of) => (await read(of)) ?? '',
    files: {
      names: async (directory) => {
        const prefix = directory === '' ? '' : `${directory}/`;
        const found = await list(`delimiter=/&prefix=${encodeURIComponent(prefix)}`);
        const names = found.map(({ name, subdir }) => (name ?? subdir ?? '').slice(prefix.length));
        return names
          .map((name) => name.replace(/\/$/, ''))
          .filter((name) => !['', 'index.html'].includes(name))
          .sort();
      },
      read: (path) => read(address(path)),
      version: async (path) => (await fetch(address(path), { method: 'HEAD' })).headers.get('x-timestamp'),
      write: async (path, text) => {
        await cloud.swift('PUT', address(path), { body: text });
      },
      remove: async (path) => {
        for (const { name = '' } of await list(`prefix=${encodeURIComponent(path)}`)) await remove(name);
      },
    },
    close: async () => {
      session.close();
      await rig.close();
      if (existing !== undefined) return;
      for (const { name = '' } of await list('prefix=')) await remove(name);
      await cloud.swift('DELETE', url);
    },
  };
}

describe('Publisher: Swift', () => publisherContract((site) => make(site)));

describe('a container of Swift', () => {
  let rig: LocalRig;
  beforeEach(async () => {
    rig = await make();
  });
  afterEach(() => rig.close());

  const collectFiles = async (files: Readonly<Record<string, string>>) => {
    for (const [path, text] of Object.entries(files)) await rig.writeTreeFile(JOB, `logs/${path}`, text);
    await rig.start().collect(collectRequest({ server: rig.server, logs: ['logs'] }), NEVER);
  };

  it('takes the longest names', async () => {
    const directory = Array.from({ length: 5 }, () => 'd'.repeat(120)).join('/');
    const rest = (name: string) => `${directory}/${name.padEnd(60, 'x')}.log`;
    await collectFiles({ [rest('one')]: 'a', [rest('two').replace('.log', 'x'.repeat(60))]: 'b' });
    const url = await publish(rig);
    const { files, skippedFiles } = await rig.manifest(url);
    const [long] = files.filter(({ path }) => path.includes('/one'));
    expect(await rig.read(url, long?.path ?? '')).toBe('a');
    expect(skippedFiles).toMatchObject([{ why: 'its path is too long' }]);
  });

  it('answers with neutral types, and only our pages are HTML', async () => {
    await collectFiles({ 'a.log': 'a', 'b.html': '<script>', 'c.tar.gz': 'c', 'd.log.gz': 'd', e: 'e' });
    const url = await publish(rig);
    const served = async (path: string) => {
      const { headers } = await fetch(`${url}${path}`, { method: 'HEAD' });
      const at = Number(headers.get('x-delete-at')) * 1000;
      expect(Math.abs(at - Date.now() - HOUR)).toBeLessThan(HOUR / 2);
      return [headers.get('content-type'), headers.get('content-encoding')];
    };
    const [page, plain] = ['text/html; charset=utf-8', 'text/plain; charset=utf-8'];
    expect(await served('')).toEqual([page, null]);
    expect(await served('index.html')).toEqual([page, null]);
    expect(await served('manifest.json')).toEqual(['application/json', null]);
    expect(await served('worktree/logs/a.log')).toEqual([plain, null]);
    expect(await served('worktree/logs/a.log.html')).toEqual([page, null]);
    expect(await served('worktree/logs/b_html.txt')).toEqual([plain, null]);
    expect(await served('worktree/logs/c.tar.gz')).toEqual(['application/octet-stream', null]);
    expect(await served('worktree/logs/d.log.gz')).toEqual([plain, 'gzip']);
    expect(await served('worktree/logs/e')).toEqual([plain, null]);
    expect((await fetch(rig.siteUrl)).status).toBe(401);
  });

  it('forgets the objects after their time', async () => {
    const brief = await make(rig.site, 2_000);
    await collect(brief, JOB);
    const url = await publish(brief);
    await expect.poll(async () => (await fetch(url)).status, { timeout: 60_000 }).toBe(404);
    await brief.close();
  });

  it('gets only what is missing after a lost connection', async () => {
    const proxy = await CuttingProxy.start(8080);
    const restore = await new Cloud('admin').moveEndpoint('object-store', proxy.port);
    try {
      const names = Array.from({ length: 40 }, (_, number) => `${number}.txt`);
      const text = () => randomBytes(75_000).toString('base64');
      await collectFiles(Object.fromEntries(names.map((name) => [name, text()])));
      proxy.onReceived = () => {
        if (proxy.received < 4_000_000) return;
        proxy.accepts = false;
        proxy.cut();
      };
      const published = () => rig.start().publish(publishRequest({ timeoutMs: 60_000 }), NEVER);
      expect(await failureOf(published())).toMatchObject({ retryable: true });
      expect(await rig.files.read(`${PARENT}/${SHORT}/index.html`)).toBeNull();
      proxy.onReceived = () => {};
      proxy.accepts = true;
      const before = proxy.received;
      const url = await published();
      const { files, pages } = await rig.manifest(url);
      const total = [...files, ...pages].reduce((sum, { bytes }) => sum + bytes, 0);
      // Eight objects were on their way when the connections ended.
      expect(proxy.received - before).toBeLessThan(total - 4_000_000 + 8 * 110_000 + 200_000);
      for (const { path, bytes } of files) expect((await rig.read(url, path))?.length, path).toBe(bytes);
    } finally {
      await restore();
      await proxy.close();
    }
  });

  it('may be unavailable for a while', async () => {
    await collect(rig, JOB);
    cloud.stop('swift');
    const published = () => rig.start().publish(publishRequest({ timeoutMs: 20_000 }), NEVER);
    expect(await failureOf(published())).toMatchObject({ retryable: true });
    cloud.start('swift');
    await expectPublished(rig, await published());
  });

  it('must exist', async () => {
    const session = openStackSession({ cloud: 'lab', openrcFile: null });
    await probeContainer(session, rig.site, NEVER);
    expect(await rig.files.names('')).toEqual([]);
    expect(await failureOf(probeContainer(session, 'no-such-container', NEVER))).toMatchObject({
      retryable: true,
      hint: expect.stringContaining('openstack container create --public no-such-container'),
    });
    session.close();
  });
});
