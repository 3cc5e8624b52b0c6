/**
 * Events from the archive: filtered by time, type and change, with incomplete lines, safe for a terminal, and readable
 * by `sos-ci explain`.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { segmentName } from '../../../src/adapters/event-archive/files.ts';
import { type ExportOptions, exportCommand } from '../../../src/cli/commands/events.ts';
import { explainCommand } from '../../../src/cli/commands/explain.ts';
import { parseTime } from '../../../src/cli/input/past-time.ts';
import { fakeIo } from '../../fakes/io.ts';

const START = Date.UTC(2026, 10, 22, 12);
const event = (seconds: number, type: string, change: number, more: object = {}) =>
  JSON.stringify({
    type,
    change: { project: 'p', branch: 'master', number: change },
    ...more,
    eventCreatedOn: START / 1_000 + seconds,
  });
const LINES = [
  event(0, 'patchset-created', 1),
  event(10, 'comment-added', 1),
  event(20, 'comment-added', 2),
  JSON.stringify({ type: 'project-created', projectName: 'x' }),
  event(30, 'change-merged', 2),
];

let dir: string;
let config: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-ci-export-'));
  config = join(dir, 'sos-ci.yaml');
  writeFileSync(join(dir, 'key'), 'k');
  writeFileSync(
    config,
    `gerrit: {host: 127.0.0.1, user: acme-ci, key: ./key}
report: {helpUrl: https://wiki.example.org/acme}
jobs: {t: {project: p, testing: {command: [./t], exitCodeIsResult: true}}}
`,
  );
  mkdirSync(join(dir, 'state', 'events'), { recursive: true });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(at: number, text: string): void {
  writeFileSync(join(dir, 'state', 'events', segmentName(at)), text);
}

async function exported(options: ExportOptions = {}) {
  const io = fakeIo();
  expect(await exportCommand(io, config, options)).toBe(0);
  return { out: io.stdout(), lines: io.stdout().split('\n').slice(0, -1), err: io.stderr() };
}

describe('events export', () => {
  test('prints the lines of all files in order, as they came', async () => {
    write(START + 1, `${LINES.slice(3).join('\n')}\n`);
    write(START, `${LINES.slice(0, 3).join('\n')}\n`);
    writeFileSync(join(dir, 'state', 'events', 'other.txt'), 'nothing of ours');
    const { lines, err } = await exported();
    expect(lines).toEqual(LINES);
    expect(err).toMatch(/^5 lines from .*events\n$/);
  });

  test('by time, type and change', async () => {
    write(START, `${LINES.join('\n')}\n`);
    expect((await exported({ since: START + 10_000 })).lines).toEqual(LINES.slice(1));
    // A line without a time belongs to the previous one.
    expect((await exported({ until: START + 20_000 })).lines).toEqual(LINES.slice(0, 2));
    expect((await exported({ since: START + 20_000, until: START + 30_000 })).lines).toEqual(
      LINES.slice(2, 4),
    );
    expect((await exported({ type: 'comment-added' })).lines).toEqual(LINES.slice(1, 3));
    expect((await exported({ change: 2 })).lines).toEqual([LINES[2], LINES[4]]);
    expect((await exported({ change: 2, type: 'comment-added' })).lines).toEqual([LINES[2]]);
  });

  test('with an incomplete line at the end of a file, and invalid lines', async () => {
    write(START, `${LINES[0]}\n{"type":"comm`);
    write(START + 1, `[1]\n${LINES[1]}\n`);
    const { lines, err } = await exported();
    expect(lines).toEqual([LINES[0], '{"type":"comm', '[1]', LINES[1]]);
    expect(err).toContain('4 lines');
    expect(err).toContain('2 of them not events');
    expect((await exported({ type: 'comment-added' })).lines).toEqual([LINES[1]]);
  });

  test('with an empty archive', async () => {
    expect(await exported()).toMatchObject({ out: '', err: expect.stringMatching(/^0 lines/) });
    expect(JSON.parse((await exported({ json: true })).out)).toEqual({ format: 1, events: [] });
    rmSync(join(dir, 'state'), { recursive: true });
    expect((await exported()).out).toBe('');
  });

  test('as JSON', async () => {
    write(START, `${LINES[1]}\n${LINES[3]}\n{"type`);
    const { events } = JSON.parse((await exported({ json: true })).out);
    expect(events).toEqual([
      { at: '2026-11-22T12:00:10.000Z', type: 'comment-added', change: 1, event: JSON.parse(LINES[1] ?? '') },
      {
        at: '2026-11-22T12:00:10.000Z',
        type: 'project-created',
        change: null,
        event: JSON.parse(LINES[3] ?? ''),
      },
      { at: '2026-11-22T12:00:10.000Z', type: null, change: null, text: '{"type' },
    ]);
  });

  test.each([{}, { json: true }])(
    'with %j escapes control characters, and keeps the text',
    async (options) => {
      const evil = 'a\u202eb\u009b2Jc\u001b[2J\u{e0001}\ud800\ue000';
      const hostile = event(0, 'comment-added', 7, { comment: evil });
      const raw = hostile.replace('\\u001b', '\\u001B').replace(/\\ud800/i, '');
      write(START, `\t${raw}\r\n\u001b]0;title\u0007 nonsense\n`);
      const { out } = await exported(options);
      expect(out.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}\p{Co}]/u);
      const first =
        'json' in options ? JSON.parse(out).events[0].event : JSON.parse(out.split('\n')[0] ?? '');
      expect(first.comment).toBe(JSON.parse(raw).comment);
    },
  );

  test('is readable by explain --events', async () => {
    const sample = readFileSync(join('test', 'samples', 'gerrit-3.12.0-stream.jsonl'), 'utf8');
    write(START, sample);
    const { out } = await exported();
    writeFileSync(join(dir, 'out.jsonl'), out);
    const explain = async (file: string) => {
      const io = fakeIo();
      expect(await explainCommand(io, undefined, { config, events: file, json: true })).toBe(0);
      return JSON.parse(io.stdout()).lines;
    };
    const lines = await explain(join(dir, 'out.jsonl'));
    expect(lines.length).toBeGreaterThan(10);
    expect(lines).toEqual(await explain(join('test', 'samples', 'gerrit-3.12.0-stream.jsonl')));
  });
});

describe('a time', () => {
  const now = Date.UTC(2026, 10, 22, 17, 30);
  test.each([
    ['2h', Date.UTC(2026, 10, 22, 15, 30)],
    ['3d', Date.UTC(2026, 10, 19, 17, 30)],
    ['2026-11-22', Date.UTC(2026, 10, 22)],
    ['2026-11-22T17:00', Date.UTC(2026, 10, 22, 17)],
    ['2026-11-22T17:00Z', Date.UTC(2026, 10, 22, 17)],
    ['2026-11-22 17:00:01.5', Date.UTC(2026, 10, 22, 17, 0, 1, 500)],
    ['2026-11-22T17:00+02:00', Date.UTC(2026, 10, 22, 15)],
    ['2026-11-23', null],
    ['2026-13-01', null],
    ['22.11.2026', null],
    ['3', null],
    ['yesterday', null],
    ['', null],
  ])('%s', (text, expected) => {
    expect(parseTime(text, now)).toBe(expected);
  });
});
