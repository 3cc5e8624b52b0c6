/**
 * Generates `RESULTS_PAGE`: the tests of a subunit stream, under the file name that readers of OpenStack's CI expect.
 * Names and output come from the tests and are escaped. It is redacted like every other file.
 */
import type { TestRecord, TestReport } from '../../../engine/ports/adapters.ts';
import { formatSeconds } from '../../../machines/model/duration.ts';
import { anchorOf } from './failed-tests.ts';
import { html, PAGE_END, pageStart } from './page.ts';

/** Generates the page in pieces: it may have megabytes of logs. */
export function* resultsPage({ tests, problem }: TestReport): Generator<string> {
  const of = (outcome: TestRecord['outcome']) => tests.filter((test) => test.outcome === outcome);
  const [failed, skipped, passed] = [of('failed'), of('skipped'), of('passed')];
  yield `${pageStart('Test results')}<h1>Test results</h1>\n`;
  yield `<p>${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped.</p>\n`;
  if (problem !== null) yield `<p class="bad">Incomplete: ${html(problem)}</p>\n`;
  if (failed.length > 0) yield '<h2>Failed</h2>\n';
  for (const [index, test] of failed.entries()) yield* withDetails(test, anchorOf(index));
  if (skipped.length > 0) yield '<h2>Skipped</h2>\n';
  for (const test of skipped) yield* withDetails(test);
  if (passed.length > 0) yield '<h2>Passed</h2>\n<ul>\n';
  for (const test of passed) yield `<li>${nameOf(test)}</li>\n`;
  if (passed.length > 0) yield '</ul>\n';
  yield `<footer>By sos-ci, from the subunit stream.</footer>\n${PAGE_END}`;
}

/** @param anchor of a failed test, whose details are open */
function* withDetails(test: TestRecord, anchor?: string): Generator<string> {
  const state = anchor === undefined ? '' : ` id="${anchor}" open`;
  yield `<details${state}><summary>${nameOf(test)}</summary>\n`;
  for (const { name, text, isCut } of test.details) {
    yield `<p class="note">${html(name)}${isCut ? ', its end' : ''}</p>\n<pre>`;
    for (const line of text.split('\n')) yield `${html(line.replaceAll('\t', '    '))}\n`;
    yield '</pre>\n';
  }
  yield '</details>\n';
}

function nameOf({ id, durationMs }: TestRecord): string {
  const took = durationMs === null ? '' : ` <span class="note">${formatSeconds(durationMs)}</span>`;
  return `<code>${html(id)}</code>${took}`;
}
