/** Debian's Chromium, and a context that records what a published page must not do. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { findProgram } from '../../fixtures/programs.ts';

/**
 * Pages share a process. By default each one whose policy has a sandbox gets another, which takes longer than the page; what
 * it may do is the same.
 */
const ONE_PROCESS = [
  '--renderer-process-limit=1',
  '--disable-site-isolation-trials',
  '--disable-features=IsolateSandboxedIframes,IsolateOrigins,site-per-process,ProactivelySwapBrowsingInstance',
];
/** The limit of one step, so generous that only a step that cannot succeed reaches it. */
const ACTION_MS = 30_000;

export async function startBrowser(): Promise<Browser> {
  const executablePath = findProgram('chromium');
  if (executablePath === null) throw new Error('chromium is missing');
  // Chromium has no sandbox for root.
  return chromium.launch({ executablePath, chromiumSandbox: process.getuid?.() !== 0, args: ONE_PROCESS });
}

export interface Visit {
  readonly context: BrowserContext;
  readonly page: Page;
  /** Dialogs, requests to other sites, errors, and everything that a policy had to stop. */
  readonly incidents: readonly string[];
}

/** Opens a tab that may load anything: only the pages themselves and their server keep it from doing so. */
export async function openTab(
  browser: Browser,
  site: string,
  options: NonNullable<Parameters<Browser['newContext']>[0]> = {},
): Promise<Visit> {
  const context = await browser.newContext({ acceptDownloads: false, ...options });
  context.setDefaultTimeout(ACTION_MS);
  const incidents: string[] = [];
  context.on('request', (request) => {
    if (!request.url().startsWith(`${site}/`)) incidents.push(`request of ${request.url()}`);
  });
  context.on('dialog', (dialog) => {
    incidents.push(`dialog ${dialog.message()}`);
    void dialog.dismiss();
  });
  context.on('console', (message) => incidents.push(`console: ${message.text()}`));
  context.on('weberror', (error) => incidents.push(`error: ${error.error().message}`));
  const page = await context.newPage();
  context.on('page', (other) => incidents.push(`window ${other.url()}`));
  return { context, page, incidents };
}
