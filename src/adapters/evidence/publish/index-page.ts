/**
 * The page that a comment links to: the verdict, the reason and the test counts, the stages with their logs, every other
 * file, and the missing files with reasons. One file without scripts or external resources, readable on a phone and in
 * dark mode. All of its content is untrusted and is escaped.
 */
import { formatSeconds } from '../../../machines/model/duration.ts';
import type { StageEntry } from '../collect/collected.ts';
import type { Manifest, PublishedFile } from './manifest.ts';
import { candidateNames } from './path.ts';

/** The page of the tests of a subunit stream. */
export const RESULTS_PAGE = 'testr_results.html';

/** Generates the page in pieces: with 20,000 files it is several megabytes long. */
export function* indexPage(manifest: Manifest): Generator<string> {
  const { patchset } = manifest;
  const title = `${manifest.verdict}: ${manifest.name} ${patchset.change},${patchset.patchset}`;
  yield `<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n`;
  yield `<meta name="viewport" content="width=device-width, initial-scale=1">\n`;
  yield `<meta name="robots" content="noindex">\n<title>${html(title)}</title>\n`;
  yield `<style>${STYLE}</style>\n</head>\n<body>\n<main>\n`;
  yield* head(manifest);
  yield* failedTests(manifest);
  yield* lastLines(manifest);
  yield* stages(manifest);
  yield* files(manifest);
  yield* skipped(manifest);
  yield* redacted(manifest);
  yield `<footer><a href="manifest.json">manifest.json</a> lists the SHA-256 of every file. `;
  yield `Job <code>${html(manifest.job)}</code>, by sos-ci.</footer>\n</main>\n</body>\n</html>\n`;
}

/** Converts a path to a relative link: each segment is encoded, and the link cannot be parsed as a scheme or a host. */
export function linkTo(path: string): string {
  return `./${path.split('/').map(encodeURIComponent).join('/')}`;
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
  for (const { project, branch, base } of manifest.trees)
    yield field('Base', `${base}, ${branch} of ${project}`);
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
  const text = results === null ? 'results' : countsText(results);
  yield `<p class="reason">Tests: ${hasPage ? link(RESULTS_PAGE, text) : text}</p>\n`;
}

/** `22 passed, 2 failed, 1 skipped`, without the zeros of failed and skipped. */
function countsText({ passed, failed, skipped }: NonNullable<Manifest['results']>): string {
  const others = [failed > 0 ? [`${failed} failed`] : [], skipped > 0 ? [`${skipped} skipped`] : []];
  return [`${passed} passed`, ...others.flat()].join(', ');
}

function field(name: string, value: string): string {
  return `<dt>${name}</dt><dd>${html(value)}</dd>\n`;
}

function* failedTests({ results, files }: Manifest): Generator<string> {
  if (results === null || results.failed === 0) return;
  yield `<h2>Failed tests</h2>\n<ul>\n`;
  for (const name of results.failures) yield `<li><code>${html(name)}</code></li>\n`;
  yield `</ul>\n`;
  const more = results.failed - results.failures.length;
  if (more > 0) yield `<p class="note">And ${more} more.</p>\n`;
  if (files.some(({ path }) => path === RESULTS_PAGE))
    yield `<p>${link(RESULTS_PAGE, 'Their tracebacks and logs')}</p>\n`;
}

function* lastLines({ failedStage: stage }: Manifest): Generator<string> {
  if (stage === null || stage.lastLines.length === 0) return;
  const took = tookText(stage);
  yield `<h2>The end of ${html(stage.stage)}</h2>\n`;
  yield `<p class="note">${html(stage.end ?? 'unknown')}${took === '' ? '' : ` after ${took}`}</p>\n`;
  yield `<pre>${stage.lastLines.map(html).join('\n')}</pre>\n`;
}

/** '' when a time is missing. */
function tookText({ startedAt, endedAt }: Pick<StageEntry, 'startedAt' | 'endedAt'>): string {
  const ms =
    startedAt === null || endedAt === null ? Number.NaN : Date.parse(endedAt) - Date.parse(startedAt);
  return ms >= 0 ? formatSeconds(ms) : '';
}

function* stages(manifest: Manifest): Generator<string> {
  if (manifest.stages.length === 0) return;
  yield `<h2>Stages</h2>\n<div class="wide"><table class="line">\n`;
  yield `<tr><th>Attempt</th><th>Stage</th><th>Log</th><th>End</th><th>From</th><th>To</th><th>Took</th></tr>\n`;
  const published = new Map(manifest.files.map((file) => [file.path, file]));
  for (const entry of manifest.stages) yield stageRow(entry, published);
  yield `</table></div>\n`;
}

function stageRow(entry: StageEntry, published: ReadonlyMap<string, PublishedFile>): string {
  const file = entry.log === null ? undefined : published.get(entry.log);
  const log = file === undefined ? 'none' : `${link(file.path, file.path)} ${sizeOf(file)}`;
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
  yield `<div class="wide"><table>\n<tr><th>File</th><th class="number">Size</th></tr>\n`;
  for (const file of others) {
    const was = file.original === undefined ? '' : ` <span class="note">was ${html(file.original)}</span>`;
    yield `<tr><td>${link(file.path, file.path)}${was}</td><td class="number">${sizeOf(file)}</td></tr>\n`;
  }
  yield `</table></div>\n`;
}

function* skipped(manifest: Manifest): Generator<string> {
  if (manifest.skipped === 0) return;
  yield `<h2>Not published</h2>\n<div class="wide"><table>\n<tr><th>File</th><th>Why</th></tr>\n`;
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
  yield `<div class="wide"><table>\n<tr><th>File</th><th>Keys</th></tr>\n`;
  for (const { path, keys } of manifest.redacted)
    yield `<tr><td><code>${html(path)}</code></td><td>${html(keys.join(', '))}</td></tr>\n`;
  yield `</table></div>\n`;
}

function link(path: string, text: string): string {
  return `<a href="${html(linkTo(path))}">${html(text)}</a>`;
}

function sizeOf(file: PublishedFile): string {
  const cut = file.cutFrom === undefined ? '' : ` <span class="note">of ${size(file.cutFrom)}</span>`;
  return `${size(file.bytes)}${cut}`;
}

function size(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes / 1000;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

/** Formats an ISO 8601 time as `2026-01-02 03:04:05 UTC`. */
function utc(iso: string | null): string {
  return iso === null ? 'unknown' : `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
};

/** Escapes HTML characters and replaces characters that reorder or hide the surrounding text. */
export function html(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\u2028\u2029]/gu, '\ufffd')
    .replace(/[&<>"']/g, (character) => ENTITIES[character] ?? '');
}

/** CSS classes for colours only; the text carries the meaning. */
const TONES: Readonly<Record<string, string>> = { SUCCESS: 'good', FAILURE: 'bad', TIMED_OUT: 'bad' };

export const STYLE = `
:root{color-scheme:light dark;--ink:#1c2128;--dim:#59636e;--line:#d8dee4;--paper:#fff;--link:#0a58ca;
--good:#1a7f37;--bad:#c62828;--infra:#8a5a00}
@media(prefers-color-scheme:dark){:root{--ink:#e6edf3;--dim:#9198a1;--line:#30363d;--paper:#0d1117;--link:#6cb6ff;
--good:#3fb950;--bad:#ff7b72;--infra:#e3b341}}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,sans-serif}
main{max-width:70rem;margin:0 auto;padding:2rem 1rem 4rem}
header{border-bottom:1px solid var(--line);margin-bottom:1.25rem;padding-bottom:1rem}
h1{font-size:1.6rem;line-height:1.25;margin:.5rem 0 0;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:2.25rem 0 .5rem}
.verdict{display:inline-block;margin:0;padding:.1rem .7rem;border-radius:1rem;border:2px solid;font-weight:700}
.good{color:var(--good)}.bad{color:var(--bad)}.infra{color:var(--infra)}
.reason{margin:.5rem 0 0;overflow-wrap:anywhere}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.15rem 1.25rem;margin:0}
dt,.note,footer{color:var(--dim)}dd{margin:0;overflow-wrap:anywhere}
pre{overflow-x:auto;border:1px solid var(--line);padding:.6rem .8rem;font-size:.85em}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem 1rem .3rem 0;border-bottom:1px solid var(--line);vertical-align:top}
th{color:var(--dim);font-weight:600;font-size:.85rem}td{font-variant-numeric:tabular-nums}
.line td{white-space:nowrap}
.number{text-align:right;padding-right:0;white-space:nowrap}
a{color:var(--link)}code{font-size:.9em;overflow-wrap:anywhere}
footer{margin-top:3rem;border-top:1px solid var(--line);padding-top:1rem;font-size:.85rem}
`;
