/**
 * The way of a developer from the comment on a change to the failed test and its line in a log, at the widths of a
 * phone, a tablet and a screen, in light and dark. With SOS_CI_SCREENSHOTS=1 the pictures of docs/publishing.md are
 * taken.
 */
import { fileURLToPath } from 'node:url';
import axe from 'axe-core';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { needs } from '../../fixtures/needs.ts';
import { openTab, startBrowser } from './browser.ts';
import { FAILED_TEST, type FailedJob, publishFailedJob } from './failed-job.ts';

const { describe, test } = needs('chromium', 'nginx');
const PICTURES = fileURLToPath(new URL('../../../docs/images/', import.meta.url));
const LOG = 'worktree/logs/c-vol.txt.gz.html';

describe('a failed job in a browser', () => {
  let browser: Browser;
  let job: FailedJob;
  beforeAll(async () => {
    browser = await startBrowser();
    job = await publishFailedJob();
  });
  afterAll(async () => {
    await browser?.close();
    await job?.close();
  });

  test('leads from the comment to the failed test, its traceback, and its line in the log', async () => {
    const { page, context, incidents } = await openTab(browser, job.server.url);
    await page.goto(job.link);
    expect(await page.locator('.verdict').innerText()).toBe('FAILURE');
    expect(await page.locator('main').innerText()).toContain('TimeoutException: Request timed out');
    await page.getByRole('link', { name: FAILED_TEST }).click();
    expect(page.url()).toBe(`${job.link}testr_results.html#failed-1`);
    expect(await page.locator(':target summary').innerText()).toContain(FAILED_TEST);
    expect(await page.locator('main').innerText()).toContain('24 passed, 1 failed, 1 skipped.');
    await page.goBack();
    await page.getByRole('link', { name: /^line \d+ of the log$/ }).click();
    expect(page.url()).toMatch(/\/attempt-1\/testing\.log\.html#L26$/);
    const target = page.locator(':target');
    expect(await target.innerText()).toContain(`${FAILED_TEST} [198.412s] ... FAILED`);
    expect(await isInView(page, ':target')).toBe(true);
    expect(incidents).toEqual([]);
    await context.close();
  });

  test('filters the log of a service by level, keeps the linked line, and shows a packed file as text', async () => {
    const { page, context, incidents } = await openTab(browser, job.server.url);
    await page.goto(job.link);
    await page.getByRole('link', { name: 'worktree/logs/c-vol.txt.gz' }).click();
    await page.waitForLoadState();
    const shown = () =>
      page.evaluate(
        "[...document.querySelectorAll('.log>span')].filter((e) => e.getClientRects().length > 0).length",
      );
    expect(await shown()).toBe(904);
    await page.getByLabel('Warnings and above (8)').check();
    expect(await shown()).toBe(8);
    await page.getByLabel('Errors (4)').check();
    expect(await page.locator('.log').innerText()).toMatch(/ERROR cinder.*Traceback.*acme\.Busy: 7b1c/s);
    expect(await shown()).toBe(4);
    await page.goto(`${page.url()}#L100`);
    expect(await shown()).toBe(5);
    await page.getByRole('link', { name: 'The file itself' }).click();
    expect(page.url()).toMatch(/c-vol\.txt\.gz$/);
    expect(await page.locator('body').innerText()).toContain('acme.Busy: 7b1c');
    expect(incidents).toEqual([]);
    await context.close();
  });

  for (const width of [360, 768, 1600]) {
    for (const colorScheme of ['light', 'dark'] as const) {
      test(`fits ${width} pixels, ${colorScheme}, and axe finds nothing serious`, async () => {
        const options = { colorScheme, viewport: { width, height: 900 } };
        const { page, context, incidents } = await openTab(browser, job.server.url, options);
        await allowAxe(context);
        const pages = ['', 'testr_results.html', 'attempt-1/testing.log.html#L26', LOG, 'worktree/logs/'];
        for (const path of pages) {
          await page.goto(`${job.link}${path}`);
          expect([path, await overflow(page)]).toEqual([path, 0]);
          expect([path, await seriousFindings(page)]).toEqual([path, []]);
        }
        expect(incidents).toEqual([]);
        await context.close();
      });
    }
  }

  const takesPictures = process.env.SOS_CI_SCREENSHOTS === '1';
  if (takesPictures)
    test('takes the pictures of the documentation', async () => {
      const viewport = { width: 1000, height: 800 };
      const { page, context } = await openTab(browser, job.server.url, { viewport });
      await page.goto(job.link);
      await page.screenshot({ path: `${PICTURES}job-page.png` });
      await page.goto(`${job.link}${LOG}#L602`);
      await page.screenshot({ path: `${PICTURES}log-page.png` });
      await context.close();
    });
});

/** How many pixels the page is wider than the window. */
function overflow(page: Page): Promise<number> {
  return page.evaluate('document.documentElement.scrollWidth - document.documentElement.clientWidth');
}

async function isInView(page: Page, selector: string): Promise<boolean> {
  const box = await page.locator(selector).boundingBox();
  const height = page.viewportSize()?.height ?? 0;
  return box !== null && box.y >= 0 && box.y + box.height <= height;
}

/** axe-core waits for timers, which the sandbox of the server's policy stops. */
function allowAxe(context: BrowserContext): Promise<unknown> {
  return context.route('**/*', async (route) => {
    const response = await route.fetch();
    const { 'content-security-policy': _policy, ...headers } = response.headers();
    await route.fulfill({ response, headers });
  });
}

/** What axe-core calls serious or critical. */
async function seriousFindings(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe.source);
  const found: unknown =
    await page.evaluate(`axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) =>
    violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => id + ': ' + nodes.slice(0, 3).map(({ html }) => html).join(' ')))`);
  return found as readonly string[];
}
