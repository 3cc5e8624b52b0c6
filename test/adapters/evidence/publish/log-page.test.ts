/** The pages beside published logs: numbers, levels, limits, and nothing from a node that a browser would run. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { collectRequest, JOB, publishRequest } from '../../../contracts/evidence.ts';
import { NEVER } from '../../../fixtures/never.ts';
import { type LocalRig, makeRig, writeAt } from '../../logs/rig.ts';

let rig: LocalRig;
beforeEach(async () => {
  rig = await makeRig();
});
afterEach(() => rig.close());

async function publish(redact: readonly string[] = [], limitBytes = 1_000_000_000): Promise<string> {
  const evidence = rig.start({ redact });
  await evidence.collect(collectRequest({ server: rig.server, logs: ['logs'], limitBytes }), NEVER);
  return evidence.publish(publishRequest(), NEVER);
}

async function read(url: string, path: string): Promise<string> {
  return readFile(join(fileURLToPath(url), path), 'utf8');
}

/** The lines of a page: id, class, text. */
function linesOf(page: string): readonly string[] {
  const line = /<span id="(L\d+)"(?: class="(\w+)")?><a href="#\1">\d+<\/a>(.*)<\/span>\n/g;
  return [...page.matchAll(line)].map(([, id, level, text]) => `${id} ${level ?? '-'} ${text}`);
}

test('numbers each line, names its level, and shows hostile text as text', async () => {
  const red = '\u001b[01;31m';
  await rig.writeStageLog(
    JOB,
    1,
    'testing',
    [
      'plain <script>alert(1)</script>',
      `2026-01-02 03:04:05.678 1 ${red}ERROR nova${'\u001b[00m'} [-] "x" & 'y'`,
      'Traceback (most recent call last):\u202e\u0007',
      `2026-01-02 03:04:06.678 1 INFO nova [-]\ttab`,
      `\u001b]0;title\u0007after`,
    ].join('\n'),
  );
  const url = await publish();
  const page = await read(url, 'attempt-1/testing.log.html');
  expect(linesOf(page)).toEqual([
    'L1 - plain &lt;script&gt;alert(1)&lt;/script&gt;',
    'L2 error 2026-01-02 03:04:05.678 1 ERROR nova [-] &quot;x&quot; &amp; &#39;y&#39;',
    'L3 error Traceback (most recent call last):\ufffd\ufffd',
    'L4 info 2026-01-02 03:04:06.678 1 INFO nova [-]    tab',
    'L5 info after',
  ]);
  for (const part of [
    `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-`,
    '<meta name="referrer" content="no-referrer">',
    'All (5)',
    'Info and above (4)',
    'Errors (2)',
    'href="../index.html"',
    'href="./testing.log"',
  ])
    expect(page).toContain(part);
  expect(page.replaceAll('\n', '')).not.toMatch(/<script|[\p{Cc}\p{Cf}]/u);
  expect(await read(url, 'attempt-1/testing.log')).toContain(red);
  expect(await rig.page(url)).toContain(
    '<a href="./attempt-1/testing.log.html">attempt-1/testing.log</a> (<a href="./attempt-1/testing.log">raw</a>)',
  );
});

test('shows gzip unpacked, and makes no page for other data', async () => {
  await writeAt(join(rig.tree, 'logs/n-cpu.txt.gz'), gzipSync('one\ntwo\n'));
  await writeAt(join(rig.tree, 'logs/broken.log.gz'), gzipSync('one\n'.repeat(999)).subarray(0, 30));
  await writeAt(join(rig.tree, 'logs/packed.gz'), gzipSync(Buffer.from([1, 0, 2])));
  // Longer than what is read ahead: the reader stops in the middle.
  await writeAt(join(rig.tree, 'logs/subunit.gz'), gzipSync(Buffer.alloc(2_000_000)));
  await writeAt(join(rig.tree, 'logs/core'), Buffer.from([127, 69, 76, 70, 0, 1]));
  await writeAt(join(rig.tree, 'logs/testr.subunit'), Buffer.from('b329011f', 'hex'));
  await writeAt(join(rig.tree, 'logs/latin.log'), Buffer.from([0xe9, 0x0a]));
  await writeAt(join(rig.tree, 'logs/empty.log'), '');
  const url = await publish();
  expect(linesOf(await read(url, 'worktree/logs/n-cpu.txt.gz.html'))).toEqual(['L1 - one', 'L2 - two']);
  expect(linesOf(await read(url, 'worktree/logs/latin.log.html'))).toEqual(['L1 - \ufffd']);
  expect(await read(url, 'worktree/logs/empty.log.html')).toContain('0 lines, 0 B');
  const names = await readdir(join(fileURLToPath(url), 'worktree/logs'));
  const pages = names.filter((name) => name.endsWith('.log.html') || name.endsWith('.gz.html'));
  expect(pages).toEqual(['empty.log.html', 'latin.log.html', 'n-cpu.txt.gz.html']);
});

test('shows the beginning and the end of a long log, with its own line numbers', async () => {
  const log = Array.from({ length: 120_000 }, (_, index) => `line ${index + 1}`).join('\n');
  await rig.writeStageLog(JOB, 1, 'testing', log);
  const page = await read(await publish(), 'attempt-1/testing.log.html');
  const lines = linesOf(page);
  expect(lines).toHaveLength(50_000);
  expect(lines.slice(9_999, 10_001)).toEqual(['L10000 - line 10000', 'L80001 - line 80001']);
  expect(lines.at(-1)).toBe('L120000 - line 120000');
  expect(page).toContain('Lines 10001 to 80000 are only in <a href="./testing.log">the file</a>');
});

test('removes a secret that control sequences had hidden', async () => {
  await rig.writeStageLog(JOB, 1, 'testing', 'pass: hun\u001b[1mter22\n');
  expect(linesOf(await read(await publish(['hunter22']), 'attempt-1/testing.log.html'))).toEqual([
    'L1 - pass: [redacted]',
  ]);
});

test('stores what a browser or a server would run under a harmless name', async () => {
  const stored = {
    'a.html': 'a_html.txt',
    'b.HTM': 'b_HTM.txt',
    'c.html.gz': 'c_html.gz',
    'd.php.log': 'd_php.log',
    'e.svg': 'e_svg.txt',
    'f.xml': 'f_xml.txt',
    'g.shtml.1': 'g_shtml.1',
    'h.log.html': 'h.log_html.txt',
    'i.js': 'i_js.txt',
    index: 'index.txt',
    'index.html': 'index_html.txt',
    'j.html.html': 'j_html_html.txt',
    'k.htmlx': 'k.htmlx',
    'l.log': 'l.log',
  };
  for (const name of Object.keys(stored)) await rig.writeTreeFile(JOB, `logs/${name}`, '<script>');
  const { files } = await rig.manifest(await publish());
  expect(files.map(({ path }) => path)).toEqual(
    Object.keys(stored)
      .sort()
      .map((name) => `worktree/logs/${stored[name as keyof typeof stored]}`),
  );
  expect(files.find(({ path }) => path.endsWith('/a_html.txt'))).toMatchObject({ original: 'a.html' });
});

test('makes no more pages when they are as large as the evidence of a job may be', async () => {
  for (const name of ['a', 'b', 'c']) await rig.writeTreeFile(JOB, `logs/${name}.log`, 'x\n'.repeat(100));
  const { pages } = await rig.manifest(await publish([], 4_000));
  expect(pages.map(({ path }) => path)).toEqual([
    'worktree/logs/a.log.html',
    'worktree/index.html',
    'worktree/logs/index.html',
    'index.html',
  ]);
});

test('lists each page with its size and checksum, and publishes again when one was changed', async () => {
  await rig.writeStageLog(JOB, 1, 'testing', 'one\n');
  const url = await publish();
  const { pages } = await rig.manifest(url);
  expect(pages.map(({ path }) => path)).toEqual([
    'attempt-1/testing.log.html',
    'attempt-1/index.html',
    'index.html',
  ]);
  const page = join(fileURLToPath(url), 'attempt-1/testing.log.html');
  const before = await readFile(page, 'utf8');
  expect(Buffer.byteLength(before)).toBe(pages[0]?.bytes);
  await writeAt(page, before.replace('one', 'two'));
  expect(await rig.start().publish(publishRequest(), NEVER)).toBe(url);
  expect(await readFile(page, 'utf8')).toBe(before);
});
