import { describe, expect, test } from 'vitest';
import { analyse, analysisOf } from '../../../src/cli/commands/analyse.ts';
import { FORMATS } from '../../../src/cli/diagram/render.ts';
import { readerSource } from '../../../src/cli/input/history-source.ts';
import { machineGraph } from '../../../src/machines/graph.ts';
import { versionOf } from '../../../src/machines/versions.ts';
import { walkOn } from '../../../src/machines/walk.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { recorded, rowsOf } from '../../machines/recorded.ts';
import { recordedSource } from '../recorded-source.ts';
import { story } from '../sample-story.ts';

async function picture(
  typed: string,
  options: Parameters<typeof analyse>[4],
  source = recordedSource('boot-failed-once'),
): Promise<string> {
  const io = fakeIo({ now: () => Date.parse('2026-11-22T19:00:00Z') });
  expect(analysisOf(options)).toBe('picture');
  expect(await analyse(io, 'picture', source, typed, options)).toBe(0);
  return io.stdout();
}

describe('the path of a job', () => {
  test.each(FORMATS)('as %s', async (format) => {
    await expect(await picture('job-1', { format })).toMatchFileSnapshot(`../../golden/path.${format}`);
  });

  test('ends where --until says', async () => {
    const whole = await picture('job-1', { format: 'dot' });
    const begin = await picture('job-1', { format: 'dot', until: 'stacking' });
    const walked = (text: string) => text.match(/label="rows? /g)?.length ?? 0;
    expect(walked(begin)).toBeGreaterThan(1);
    expect(walked(begin)).toBeLessThan(walked(whole));
  });

  test('of recorded histories is explained by the graphs, apart from rows that continue a history', () => {
    const unexplained = recorded
      .filter((file) => file !== 'altered.jsonl')
      .flatMap((file) => {
        const rows = rowsOf(file);
        return [...new Set(rows.map(({ history }) => history))].flatMap((history) => {
          const own = rows.filter((row) => row.history === history);
          const graph = machineGraph(versionOf(own[0] ?? { machine: 'job@1' }).machine);
          const { graph: walked } = walkOn(graph, own);
          return walked.edges.slice(graph.edges.length).map((edge) => ({ file, history, ...edge }));
        });
      });
    expect(unexplained).toEqual([]);
  });
});

describe('a Gantt chart', () => {
  const source = readerSource(fakeReader({ rows: story() }));

  test.each(['mermaid', 'svg'] as const)('as %s', async (format) => {
    const chart = await picture('01kfa', { format, gantt: true }, source);
    await expect(chart).toMatchFileSnapshot(`../../golden/gantt.${format}`);
  });

  test('of an open job ends now', async () => {
    const text = await picture('01kfa', { gantt: true, until: 'testing' }, source);
    expect(text.trimEnd().split('\n').at(-1)).toBe(
      `  testing (attempt 2) 1h 36m 45s :active, ${Date.parse('2026-11-22T17:23:15Z')}, ${Date.parse('2026-11-22T19:00:00Z')}`,
    );
  });
});

describe('hostile names', () => {
  const hostile = '"]; click x "javascript:alert(1)"</title><script>\u001b[2J\u202e';
  const rows = story().map((row) => ({ ...row, history: hostile }));
  const source = readerSource(fakeReader({ rows }));

  test.each([
    { format: 'svg' },
    { format: 'svg', gantt: true },
    { format: 'dot' },
    { format: 'mermaid' },
    { gantt: true },
  ] as const)('are text with %j', async (options) => {
    const text = await picture('"]', options, source);
    for (const sign of ['\u001b', '\u202e']) expect(text).not.toContain(sign);
    if (options.format === 'svg') expect(text).not.toMatch(/<script|<\/title>.*<\/title>/s);
    else if (options.format === 'dot') expect(text.split('\n')[0]).toMatch(/^digraph "(?:[^"\\]|\\.)*" \{$/);
    else if ('gantt' in options) expect(text.split('\n')[1]).not.toMatch(/[;#]/);
    else expect(JSON.parse(text.split('\n')[1]?.slice('title: '.length) ?? '')).toContain('click x');
  });
});

test.each([
  [{ format: 'svg', json: true }, /a picture is not JSON/],
  [{ format: 'dot', gantt: true }, /draws no Gantt charts/],
  [{ format: 'svg', until: 'nowhere' }, /has no state "nowhere"/],
] as const)('%j is an error', async (options, message) => {
  await expect(analyse(fakeIo(), 'picture', recordedSource('success'), 'job-1', options)).rejects.toThrow(
    message,
  );
});

test('all histories and a picture are an error', () => {
  expect(() => analysisOf({ all: true, gantt: true })).toThrow('one analysis of one history');
  expect(analysisOf({ all: true })).toBeNull();
});
