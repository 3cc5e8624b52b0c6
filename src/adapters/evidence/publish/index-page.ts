/**
 * The page that a comment links to: the verdict, the reason and the test counts, the stages with their logs, the
 * environment, every other file, and the missing files with reasons.
 */
import { formatSeconds } from '../../../machines/model/duration.ts';
import { resultsText } from '../../../machines/model/judge-testing.ts';
import type { StageEntry } from '../collect/collected.ts';
import { environmentSection } from './environment.ts';
import { logPagePath } from './log-page.ts';
import type { Manifest, PublishedFile } from './manifest.ts';
import { html, link, linkTo, PAGE_END, pageStart, size, utc } from './page.ts';
import { candidateNames } from './path.ts';

/** The page of the tests of a subunit stream. */
export const RESULTS_PAGE = 'testr_results.html';

/** Generates the page in pieces: with 20,000 files it is several megabytes long. */
export function* indexPage(manifest: Manifest): Generator<string> {
  const { patchset } = manifest;
  const title = `${manifest.verdict}: ${manifest.name} ${patchset.change},${patchset.patchset}`;
  yield pageStart(title);
  yield* head(manifest);
  yield* failedTests(manifest);
  yield* lastLines(manifest);
  yield* stages(manifest);
  yield* environmentSection(manifest);
  yield* files(manifest);
  yield* skipped(manifest);
  yield* redacted(manifest);
  yield `<footer><a href="manifest.json">manifest.json</a> lists the SHA-256 of every file. `;
  yield `Job <code>${html(manifest.job)}</code>, by sos-ci.</footer>\n${PAGE_END}`;
}

function* head(manifest: Manifest): Generator<string> {
  const { patchset } = manifest;
  const tone = TONES[manifest.verdict] ?? 'infra';
  yield `<header>\n<p class="verdict ${tone}">${html(manifest.verdict)}</p>\n`;
  yield `<h1>${html(manifest.name)}</h1>\n`;
  if (manifest.reason !== '') yield `<p class="reason">${html(manifest.reason)}</p>\n`;
  yield* testCounts(manifest);
  yield `</header>\n<dl>\n`;
  const number = `${patchset.change},${patchset.patchset}`;
  const change = /^https?:\/\//.test(patchset.url)
    ? `<a href="${html(patchset.url)}" rel="noreferrer nofollow">${number}</a>`
    : number;
  yield `<dt>Change</dt><dd>${change} ${html(patchset.subject)}</dd>\n`;
  yield field('Project', `${patchset.project}, ${patchset.branch}`);
  yield field('Commit', patchset.revision);
  for (const { project, branch, base, revision } of manifest.trees) {
    yield field('Base', `${base}, ${branch} of ${project}`);
    if (revision !== base && revision !== patchset.revision)
      yield field('Tested', `${revision}, merged with the base`);
  }
  for (const { project, change, patchset: number } of manifest.dependencies)
    yield field('Depends on', `${change},${number} of ${project}`);
  for (const { job, name } of manifest.siblings)
    yield `<dt>Other job</dt><dd>${link(`../../${name}/${candidateNames(job)[0]}/`, name)}</dd>\n`;
  yield field('Pipeline', manifest.pipeline);
  yield field('Attempt', String(manifest.attempt));
  yield field('Collected', utc(manifest.collectedAt));
  yield field('Published', utc(manifest.publishedAt));
  yield `</dl>\n`;
}

/** The counts of the test results, with a link to their page; only the link when the results could not be read. */
function* testCounts({ results, files }: Manifest): Generator<string> {
  const hasPage = files.some(({ path }) => path === RESULTS_PAGE);
  if (results === null && !hasPage) return;
  const text = results === null ? 'results' : resultsText(results);
  yield `<p class="reason">Tests: ${hasPage ? link(RESULTS_PAGE, text) : text}</p>\n`;
}

function field(name: string, value: string): string {
  return `<dt>${name}</dt><dd>${html(value)}</dd>\n`;
}

function* failedTests({ results, failedTests, failedStage, files, pages }: Manifest): Generator<string> {
  if (failedTests.length === 0) return;
  const hasResults = files.some(({ path }) => path === RESULTS_PAGE);
  const log = failedStage === null ? null : pageOf(failedStage.log, pathsOf(pages));
  yield `<h2>Failed tests</h2>\n<ul>\n`;
  for (const { name, anchor, traceback, isCut, line } of failedTests) {
    const shown = `<code>${html(name)}</code>`;
    const linked =
      hasResults && anchor !== null ? `<a href="./${RESULTS_PAGE}#${anchor}">${shown}</a>` : shown;
    const at =
      log === null || line === null ? '' : `, <a href="${html(log)}#L${line}">line ${line} of the log</a>`;
    yield `<li>${linked}${at}`;
    if (traceback !== '')
      yield `\n<pre>${isCut ? '...\n' : ''}${traceback.split('\n').map(lineText).join('\n')}</pre>`;
    yield `</li>\n`;
  }
  yield `</ul>\n`;
  const more = (results?.failed ?? 0) - failedTests.length;
  if (more > 0) yield `<p class="note">And ${more} more.</p>\n`;
  if (hasResults) yield `<p>${link(RESULTS_PAGE, 'All tests, with tracebacks and logs')}</p>\n`;
}

function* lastLines({ failedStage: stage, pages }: Manifest): Generator<string> {
  if (stage === null || stage.lastLines.length === 0) return;
  const took = tookText(stage);
  const log = pageOf(stage.log, pathsOf(pages));
  yield `<h2>The end of ${html(stage.stage)}</h2>\n`;
  yield `<p class="note">${html(stage.end ?? 'unknown')}${took === '' ? '' : ` after ${took}`}</p>\n`;
  yield `<pre class="log">\n`;
  for (const [index, text] of stage.lastLines.entries()) {
    const number = stage.firstLine + index;
    const linked = log === null ? '' : `<a href="${html(log)}#L${number}">${number}</a>`;
    yield `<span>${linked}${lineText(text)}</span>\n`;
  }
  yield `</pre>\n`;
}

function lineText(text: string): string {
  return html(text.replaceAll('\t', '    '));
}

/** '' when a time is missing. */
function tookText({ startedAt, endedAt }: Pick<StageEntry, 'startedAt' | 'endedAt'>): string {
  const ms =
    startedAt === null || endedAt === null ? Number.NaN : Date.parse(endedAt) - Date.parse(startedAt);
  return ms >= 0 ? formatSeconds(ms) : '';
}

function* stages(manifest: Manifest): Generator<string> {
  if (manifest.stages.length === 0) return;
  yield `<h2>Stages</h2>\n<div class="wide" tabindex="0"><table class="line">\n`;
  yield `<tr><th>Attempt</th><th>Stage</th><th>Log</th><th>End</th><th>From</th><th>To</th><th>Took</th></tr>\n`;
  const published = new Map(manifest.files.map((file) => [file.path, file]));
  const pages = pathsOf(manifest.pages);
  for (const entry of manifest.stages) yield stageRow(entry, published, pages);
  yield `</table></div>\n`;
}

function stageRow(
  entry: StageEntry,
  published: ReadonlyMap<string, PublishedFile>,
  pages: ReadonlySet<string>,
): string {
  const file = entry.log === null ? undefined : published.get(entry.log);
  const log = file === undefined ? 'none' : `${fileLink(file.path, pages)} ${sizeOf(file)}`;
  const cells = [
    String(entry.attempt),
    html(entry.stage),
    log,
    html(entry.end ?? 'unknown'),
    utc(entry.startedAt),
    utc(entry.endedAt),
    tookText(entry),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>\n`;
}

function* files(manifest: Manifest): Generator<string> {
  const logs = new Set(manifest.stages.map((entry) => entry.log));
  const others = manifest.files.filter((file) => !logs.has(file.path));
  yield `<h2>Files</h2>\n`;
  if (others.length === 0) {
    yield `<p class="note">None besides the logs of the stages.</p>\n`;
    return;
  }
  yield `<div class="wide" tabindex="0"><table>\n<tr><th>File</th><th class="number">Size</th></tr>\n`;
  const pages = pathsOf(manifest.pages);
  for (const file of others) {
    const was = file.original === undefined ? '' : ` <span class="note">was ${html(file.original)}</span>`;
    yield `<tr><td>${fileLink(file.path, pages)}${was}</td><td class="number">${sizeOf(file)}</td></tr>\n`;
  }
  yield `</table></div>\n`;
}

function* skipped(manifest: Manifest): Generator<string> {
  if (manifest.skipped === 0) return;
  yield `<h2>Not published</h2>\n<div class="wide" tabindex="0"><table>\n<tr><th>File</th><th>Why</th></tr>\n`;
  for (const file of manifest.skippedFiles) {
    yield `<tr><td><code>${html(file.path)}</code></td><td>${html(file.why)}</td></tr>\n`;
  }
  yield `</table></div>\n`;
  const more = manifest.skipped - manifest.skippedFiles.length;
  if (more > 0) yield `<p class="note">And ${more} more.</p>\n`;
}

function* redacted(manifest: Manifest): Generator<string> {
  if (manifest.redacted.length === 0) return;
  yield `<h2>Redacted</h2>\n<p class="note">Values of these keys were removed from all files.</p>\n`;
  yield `<div class="wide" tabindex="0"><table>\n<tr><th>File</th><th>Keys</th></tr>\n`;
  for (const { path, keys } of manifest.redacted)
    yield `<tr><td><code>${html(path)}</code></td><td>${html(keys.join(', '))}</td></tr>\n`;
  yield `</table></div>\n`;
}

function pathsOf(files: readonly PublishedFile[]): ReadonlySet<string> {
  return new Set(files.map(({ path }) => path));
}

/** The link to the page of a log; null: it has none. */
function pageOf(log: string | null, pages: ReadonlySet<string>): string | null {
  return log !== null && pages.has(logPagePath(log)) ? linkTo(logPagePath(log)) : null;
}

/** A link to the page of a log, and one to the file itself; only the latter if there is no page. */
function fileLink(path: string, pages: ReadonlySet<string>): string {
  const page = logPagePath(path);
  return pages.has(page) ? `${link(page, path)} (${link(path, 'raw')})` : link(path, path);
}

function sizeOf(file: PublishedFile): string {
  const cut = file.cutFrom === undefined ? '' : ` <span class="note">of ${size(file.cutFrom)}</span>`;
  return `${size(file.bytes)}${cut}`;
}

/** CSS classes for colours only; the text carries the meaning. */
const TONES: Readonly<Record<string, string>> = { SUCCESS: 'good', FAILURE: 'bad', TIMED_OUT: 'bad' };
