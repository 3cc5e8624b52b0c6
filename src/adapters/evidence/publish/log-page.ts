/**
 * The page of a published log: `NAME.html` beside `NAME`. Each line has a number that can be linked (`#L120`), and the
 * level of its oslo.log record, by which the page filters with CSS alone. Composed from the published file, which
 * contains no secret. The log is read twice and never held in memory.
 */
import type { FileHandle } from 'node:fs/promises';
import type { Directory } from '../files/dir-handle.ts';
import { NotText, readText } from './log-content.ts';
import { LEVELS, type Level, LevelReader, LineSplitter, type LogLine } from './log-lines.ts';
import { INDEX, type PublishedFile } from './manifest.ts';
import { newPage } from './new-page.ts';
import { html, link, PAGE_END, pageStart, size } from './page.ts';

/** Browsers show a page of such a log without delay. Of a longer log the page has the beginning and the end. */
const WHOLE = { lines: 100_000, bytes: 8 * 1024 ** 2 } as const;
const BEGINNING = { lines: 10_000, bytes: 1024 ** 2 } as const;
const END = { lines: 40_000, bytes: 4 * 1024 ** 2 } as const;

interface LogScan {
  readonly bytes: number;
  readonly lines: number;
  readonly counts: Readonly<Record<Level, number>>;
}

interface LogPageRequest {
  /** The directory of the publication. */
  readonly target: Directory;
  readonly file: PublishedFile;
  readonly signal: AbortSignal;
  /** Removes secrets from a line whose control sequences were removed: they may have been in the middle of a secret. */
  readonly clean: (text: string) => string;
  /** Called with each line, without control sequences. */
  readonly onLine?: (line: LogLine) => void;
}

export function logPagePath(path: string): string {
  return `${path}.html`;
}

/** Writes the page of a log. Null when the file is not a text. */
export async function writeLogPage(request: LogPageRequest): Promise<PublishedFile | null> {
  const { target, file } = request;
  const from = await target.openFile(file.path);
  try {
    const scan = await scanLog(request, from);
    const path = logPagePath(file.path);
    return await readText(file.path, from, request.signal, (chunks) =>
      newPage(target, path, logPage(request, scan, chunks)),
    );
  } catch (error) {
    if (error instanceof NotText) return null;
    throw error;
  } finally {
    await from.close();
  }
}

/** True: the page of the log has this line. */
function hasLine(scan: Pick<LogScan, 'bytes' | 'lines'>, { number, offset }: LogLine): boolean {
  if (scan.lines <= WHOLE.lines && scan.bytes <= WHOLE.bytes) return true;
  const atBeginning = number <= BEGINNING.lines && offset < BEGINNING.bytes;
  return atBeginning || (number > scan.lines - END.lines && offset >= scan.bytes - END.bytes);
}

async function scanLog(request: LogPageRequest, from: FileHandle): Promise<LogScan> {
  const counts = Object.fromEntries(LEVELS.map((level) => [level, 0])) as Record<Level, number>;
  const levels = new LevelReader();
  let [bytes, lines] = [0, 0];
  await readText(request.file.path, from, request.signal, async (chunks) => {
    const measured = async function* () {
      for await (const chunk of chunks) {
        bytes += chunk.length;
        yield chunk;
      }
    };
    for await (const batch of linesOf(measured(), request.clean)) {
      for (const line of batch) {
        lines = line.number;
        const level = levels.next(line.text);
        if (level !== null) counts[level] += 1;
        request.onLine?.(line);
      }
    }
  });
  return { bytes, lines, counts };
}

/** The lines without control sequences, as arrays: a step of an async generator for each line would be slow. */
async function* linesOf(
  chunks: AsyncIterable<Buffer>,
  clean: (text: string) => string,
): AsyncGenerator<readonly LogLine[]> {
  const splitter = new LineSplitter();
  for await (const chunk of chunks)
    yield Array.from(splitter.push(chunk), (line) => withoutControlSequences(line, clean));
  yield Array.from(splitter.end(), (line) => withoutControlSequences(line, clean));
}

/** Colours, window titles and character sets of terminals. */
const CONTROL_SEQUENCE = /(?!\s)\p{Cc}(?:\[[0-?]*[ -/]*[@-~]|\][^\p{Cc}]*\p{Cc}?|\([0-9A-B])/gu;
const ESCAPE = String.fromCharCode(0x1b);

/** @param clean removes secrets, which control sequences may have split */
export function withoutControlSequences(
  line: LogLine,
  clean: (text: string) => string = (text) => text,
): LogLine {
  if (!line.text.includes(ESCAPE)) return line;
  return { ...line, text: clean(line.text.replace(CONTROL_SEQUENCE, '')) };
}

async function* logPage(
  { file, clean }: LogPageRequest,
  scan: LogScan,
  chunks: AsyncIterable<Buffer>,
): AsyncGenerator<string> {
  const name = file.path.split('/').at(-1) ?? '';
  yield pageStart(file.path, LOG_STYLE);
  yield* head(file, name, scan);
  yield `<pre class="log">\n`;
  const levels = new LevelReader();
  let last = 0;
  for await (const batch of linesOf(chunks, clean)) {
    let text = '';
    for (const line of batch) {
      const level = levels.next(line.text);
      if (!hasLine(scan, line)) continue;
      if (line.number > last + 1) text += gap(last + 1, line.number - 1, name);
      last = line.number;
      text += lineOf(line, level);
    }
    yield text;
  }
  yield `</pre>\n`;
  if (file.cutFrom !== undefined)
    yield `<p class="note">Only the beginning of the log was collected: it had ${size(file.cutFrom)}.</p>\n`;
  yield PAGE_END;
}

function gap(from: number, to: number, name: string): string {
  return `<span class="gap">Lines ${from} to ${to} are only in ${link(name, 'the file')}.</span>\n`;
}

function lineOf({ number, text, hidden }: LogLine, level: Level | null): string {
  const tone = level === null ? '' : ` class="${level}"`;
  const more = hidden === 0 ? '' : ` <i>and ${hidden} bytes more, in the file</i>`;
  const shown = html(text.replaceAll('\t', '    '));
  return `<span id="L${number}"${tone}><a href="#L${number}">${number}</a>${shown}${more}</span>\n`;
}

function* head(file: PublishedFile, name: string, { lines, bytes, counts }: LogScan): Generator<string> {
  const up = '../'.repeat(file.path.split('/').length - 1);
  yield `<header>\n<p class="note"><a href="${up}${INDEX}">Job</a> / ${link(INDEX, 'Directory')}</p>\n`;
  yield `<h1>${html(file.path)}</h1>\n`;
  yield `<p class="reason">${lines === 1 ? '1 line' : `${lines} lines`}, ${size(bytes)}. `;
  yield `${link(name, 'The file itself')}</p>\n</header>\n`;
  const from = (level: Level) =>
    LEVELS.slice(LEVELS.indexOf(level)).reduce((sum, each) => sum + counts[each], 0);
  yield `<fieldset>\n<legend>Lines</legend>\n`;
  yield filter('all', `All (${lines})`, true);
  yield filter('from-info', `Info and above (${from('info')})`);
  yield filter('from-warning', `Warnings and above (${from('warning')})`);
  yield filter('from-error', `Errors (${from('error')})`);
  yield `</fieldset>\n`;
}

function filter(id: string, text: string, checked = false): string {
  const state = checked ? ' checked' : '';
  return `<label><input type="radio" name="level" id="${id}"${state}> ${text}</label>\n`;
}

/** A line that is linked stays visible with every filter. */
const LOG_STYLE = `
main{max-width:none;padding-top:1rem}
header{margin-bottom:.5rem}
fieldset{display:flex;flex-wrap:wrap;gap:.25rem 1.25rem;border:1px solid var(--line);padding:.3rem .8rem;margin:0;
position:sticky;top:0;background:var(--paper);box-shadow:0 -1rem var(--paper)}
label{white-space:nowrap}
.log{border:0;padding:0}
.log>.gap{padding:1rem 0;color:var(--dim);font-style:italic}
.log .gap a{all:revert;color:var(--link)}
.debug{color:var(--dim)}.warning{color:var(--infra)}.error,.critical{color:var(--bad)}.critical{font-weight:700}
body:has(#from-info:checked) .log>:not(.info,.warning,.error,.critical,:target),
body:has(#from-warning:checked) .log>:not(.warning,.error,.critical,:target),
body:has(#from-error:checked) .log>:not(.error,.critical,:target){display:none}
`;
