/**
 * A job that writes hostile names and contents, published and read in a browser page by page: no script runs, no dialog
 * opens, no request leaves the site, and no policy has to stop anything, because all of it is text. By default 120 files
 * and their pages; 10,000 with SOS_CI_TESTS=exhaustive.
 */
import { chmod } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { type LocalRig, makeRig, writeAt } from '../../adapters/logs/rig.ts';
import { encodePacket } from '../../adapters/results/subunit/streams.ts';
import { collectRequest, JOB, publishRequest } from '../../contracts/evidence.ts';
import { EXHAUSTIVE } from '../../fixtures/effort.ts';
import { needs } from '../../fixtures/needs.ts';
import { NEVER } from '../../fixtures/never.ts';
import { startWebServer, type WebServer } from '../../fixtures/web-servers.ts';
import { openTab, startBrowser } from './browser.ts';

const FILES = EXHAUSTIVE ? 10_000 : 120;
const TABS = 3;
const FOREIGN = 'http://127.0.0.1:9';

const CONTENTS: readonly (string | Buffer)[] = [
  `<script>fetch('${FOREIGN}/a');alert(1)</script>`,
  `</span></pre><script src=${FOREIGN}/b.js></script>`,
  `<img src=${FOREIGN}/c.png onerror=alert(1)>`,
  `"><svg onload=alert(1)><style>@import '${FOREIGN}/d.css'</style>`,
  `<meta http-equiv=refresh content="0;url=${FOREIGN}/e">`,
  `<base href="${FOREIGN}/f/"><a href=x autofocus onfocus=alert(1)>`,
  `<iframe srcdoc="<script>alert(1)</script>"></iframe><object data=${FOREIGN}/g></object>`,
  `<link rel=stylesheet href=${FOREIGN}/h.css><link rel=prefetch href=${FOREIGN}/i>`,
  `<form action=${FOREIGN}/j><input type=radio id=all name=level><button autofocus>`,
  `<!doctype html><html><body onload=alert(1)><script>alert(1)</script>`,
  `<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"><script>alert(1)</script></html>`,
  '\u001b]8;;javascript:alert(1)\u0007click\u001b]8;;\u0007 \u001b[31m<script>\u001b[0malert(1)</script>',
  '<scr\u001b[0mipt>alert(1)</script>',
  '\u202e<script>alert(1)</script>\u2066\u200f',
  '+ADw-script+AD4-alert(1)+ADw-/script+AD4-',
  Buffer.from('\ufeff<script>alert(1)</script>', 'utf16le'),
  Buffer.from([0xc0, 0xbc, ...Buffer.from('script>alert(1)</script>')]),
  Buffer.from('GIF89a/*<svg/onload=alert(1)>*/=1;alert(1)'),
  '%PDF-1.7\n1 0 obj<</OpenAction<</S/JavaScript/JS(app.alert(1))>>>>',
  '2026-01-02 03:04:05.678 1 ERROR "><script>alert(1)</script> [-] </span>\n  {{7*7}}<!--#exec cmd="id" -->',
  `&#60;script&#62;alert(1)&lt;/script&gt;\u2028alert(1)\u2029\r<script>alert(1)</script>`,
];
const NAMES: readonly string[] = [
  '<img src=x onerror=alert(1)>',
  '"><script>alert(1)<',
  "' onmouseover='alert(1)",
  'javascript:alert(1)',
  '..%2f..%2fsecret',
  '#L1',
  '?x=y&z',
  '\u202egol.html',
  'line\nfeed\ttab',
  '--option',
  '.htaccess',
  'x'.repeat(200),
  'index',
  '`id`$(id){{7*7}}',
  '%00%0d%0aSet-Cookie: a=b',
  'é😀',
];
const ENDINGS = [
  '',
  '.log',
  '.html',
  '.svg',
  '.js',
  '.xml',
  '.php.log',
  '.html.gz',
  '.json',
  '.txt',
  '.xhtml',
  '.log.html',
];

function nameOf(index: number): string {
  const name = NAMES[index % NAMES.length] ?? '';
  return `${name}${index < NAMES.length ? '' : index}${ENDINGS[Math.floor(index / NAMES.length) % ENDINGS.length]}`;
}

const { describe, test } = needs('chromium', 'nginx');

describe('a hostile job in a browser', () => {
  let rig: LocalRig;
  let server: WebServer;
  let browser: Browser;
  let job: string;
  let paths: readonly string[];
  beforeAll(async () => {
    rig = await makeRig();
    await chmod(rig.base, 0o755);
    const text = CONTENTS.map((content) => content.toString());
    await rig.writeStageLog(
      JOB,
      1,
      'testing',
      Array(Math.ceil(FILES / text.length))
        .fill(text)
        .flat()
        .join('\n'),
    );
    for (let index = 0; index < FILES; index++)
      await writeAt(
        join(rig.tree, `logs/${index % 10}`, nameOf(index)),
        CONTENTS[index % CONTENTS.length] ?? '',
      );
    const packets = text.flatMap((content, index) => [
      encodePacket({
        testId: `${index}${content}`,
        fileName: `traceback${content}`.slice(0, 60),
        content: Buffer.from(content),
      }),
      encodePacket({ testId: `${index}${content}`, status: index % 2 === 0 ? 'fail' : 'skip' }),
    ]);
    await writeAt(join(rig.tree, 'logs/testr.subunit'), Buffer.concat(packets));
    const evidence = rig.start();
    const subunit = 'logs/testr.subunit';
    await evidence.collect(
      collectRequest({ server: rig.server, logs: ['logs'], subunit, timeoutMs: 600_000 }),
      NEVER,
    );
    const all = text.join(' ');
    const patchset = {
      ...publishRequest().patchset,
      subject: all,
      url: `https://x/"><script>alert(1)</script>`,
    };
    const results = { passed: 0, failed: 11, skipped: 10, failures: text };
    const url = await evidence.publish(
      publishRequest({ reason: all, patchset, results, timeoutMs: 600_000 }),
      NEVER,
    );
    const manifest = await rig.manifest(url);
    // Every page, and every file that a browser shows instead of saving it.
    paths = [...manifest.pages, ...manifest.files]
      .map(({ path }) => path)
      .filter((path) => !/\.(?:subunit|gz)$/.test(path));
    job = relative(rig.site, fileURLToPath(url)).split('/').map(encodeURIComponent).join('/');
    server = await startWebServer('nginx', rig.site);
    browser = await startBrowser();
  }, 900_000);
  afterAll(async () => {
    await browser?.close();
    await server?.close();
    await rig?.close();
  });

  test(`shows ${FILES} hostile files as text`, async () => {
    expect(paths.length).toBeGreaterThan(2 * FILES * 0.8);
    const queue = [...paths];
    const walk = async (): Promise<number> => {
      const { page, context, incidents } = await openTab(browser, server.url);
      let visited = 0;
      for (let path = queue.pop(); path !== undefined; path = queue.pop()) {
        const url = `${server.url}/${job}/${path.split('/').map(encodeURIComponent).join('/')}`;
        const response = await page.goto(url);
        expect([path, response?.status(), page.url(), incidents]).toEqual([path, 200, url, []]);
        // Elements that no page of ours has, and that no text may become.
        const foreign = await page
          .locator('script,img,svg,iframe,object,form,button,base,link,[onload],[onerror]')
          .count();
        expect([path, foreign]).toEqual([path, 0]);
        visited += 1;
      }
      await context.close();
      return visited;
    };
    const visited = await Promise.all(Array.from({ length: TABS }, walk));
    expect(visited.reduce((sum, each) => sum + each, 0)).toBe(paths.length);
    console.log(`${paths.length} pages and files were opened`);
  });

  test('would notice a script, a dialog, a request and a policy that stops one', async () => {
    const { page, context, incidents } = await openTab(browser, server.url);
    await page.route(`${server.url}/planted`, (route) =>
      route.fulfill({
        contentType: 'text/html',
        body: `<script>alert(1)</script><img src="${FOREIGN}/x.png">`,
      }),
    );
    await page.goto(`${server.url}/planted`);
    expect(incidents).toContain('dialog 1');
    expect(incidents).toContain(`request of ${FOREIGN}/x.png`);
    await page.goto(`${server.url}/${job}/index.html`);
    const before = incidents.length;
    await page.evaluate(
      "document.body.append(Object.assign(document.createElement('script'), { textContent: 'alert(2)' }))",
    );
    await expect.poll(() => incidents.length).toBeGreaterThan(before);
    expect(incidents.slice(before).join()).not.toContain('dialog');
    await context.close();
  });
});
