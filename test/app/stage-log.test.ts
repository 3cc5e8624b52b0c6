/** The log of a stage at a moment: by the times of its lines, from the run or the published copy, without following links. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readStageLog, type StageLogRequest } from '../../src/app/stage-log.ts';

const job = {
  id: 'j1m2n3p4q5abcdefg',
  attempt: 2,
  change: 912345,
  patchset: 3,
  pipeline: 'check',
  name: 'acme',
};
const START = Date.parse('2026-01-02T03:04:05Z');
let directory: string;
let request: StageLogRequest;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-stage-log-'));
  request = {
    stateDir: directory,
    publishedDir: join(directory, 'logs'),
    job,
    stage: 'testing',
    moment: null,
  };
});

afterEach(() => rmSync(directory, { recursive: true }));

function writeRun(text: string): void {
  const run = join(directory, 'runs', job.id, '2', 'testing');
  mkdirSync(run, { recursive: true });
  writeFileSync(join(run, 'log'), text);
}

/** One line a second, each with more text than the one before it. */
const timed = (count: number, line: (at: string, index: number) => string) =>
  Array.from({ length: count }, (_, index) => line(new Date(START + index * 1000).toISOString(), index)).join(
    '\n',
  );

describe('at a moment', () => {
  test.each([
    [
      'of DevStack',
      (at: string, index: number) => `${at.replace('T', ' ').replace('Z', '')} | line ${index}`,
    ],
    ['of ISO 8601', (at: string, index: number) => `${at} line ${index}`],
    [
      'with records of several lines',
      (at: string, index: number) =>
        `${at.replace('T', ' ').replace('Z', ',123456')} line ${index}\n  more ${'x'.repeat(index % 500)}`,
    ],
  ])('with times %s, the lines up to it', async (_, line) => {
    writeRun(`${timed(5000, line)}\n`);
    for (const index of [0, 1, 77, 2500, 4998, 4999]) {
      const log = await readStageLog({ ...request, moment: START + index * 1000 + 500 });
      expect(log?.isTimed).toBe(true);
      expect(log?.lines.findLast((text) => text.includes('line'))).toContain(`line ${index}`);
    }
    const before = await readStageLog({ ...request, moment: START - 1 });
    expect(before).toEqual({ lines: [], isTimed: true });
  });

  test('with a zone, the zone counts', async () => {
    writeRun('2026-01-02 05:04:05+0200 one\n2026-01-02 05:04:07+02:00 two\n');
    expect((await readStageLog({ ...request, moment: START + 1000 }))?.lines).toEqual([
      '2026-01-02 05:04:05+0200 one',
    ]);
  });

  test('without times, the last lines of all', async () => {
    writeRun('one\r\ntwo\nthree');
    expect(await readStageLog({ ...request, moment: START })).toEqual({
      lines: ['one', 'two', 'three'],
      isTimed: false,
    });
  });
});

test('of a long log, the end, without a line that is cut', async () => {
  writeRun(timed(100_000, (at, index) => `${at} ${index}`));
  const lines = (await readStageLog(request))?.lines ?? [];
  expect(lines.at(-1)).toMatch(/ 99999$/);
  expect(lines.length).toBeLessThan(3000);
  for (const line of lines) expect(line).toMatch(/^2026-01-\S+Z \d+$/);
});

test('of a line without an end, a bounded part', async () => {
  writeRun('x'.repeat(10_000_000));
  const log = await readStageLog({ ...request, moment: START });
  expect(log?.lines).toHaveLength(1);
  expect(log?.lines[0]?.length).toBe(64 * 1024);
});

describe('the published log', () => {
  const publish = (name: string) => {
    const attempt = join(directory, 'logs', '45', '912345', '3', 'check', 'acme', name, 'attempt-2');
    mkdirSync(attempt, { recursive: true });
    writeFileSync(join(attempt, 'testing.log'), `published as ${name}\n`);
  };

  test.each([job.id.slice(0, 12), job.id])('is read when the run is gone: %s', async (name) => {
    publish(name);
    expect((await readStageLog(request))?.lines).toEqual([`published as ${name}`]);
  });

  test('is not read while there is a run', async () => {
    publish(job.id);
    writeRun('run\n');
    expect((await readStageLog(request))?.lines).toEqual(['run']);
  });
});

describe('nothing', () => {
  test('where there is no log', async () => {
    expect(await readStageLog(request)).toBeNull();
  });

  test('through a link, or of something that is no file', async () => {
    writeFileSync(join(directory, 'secret'), 'secret\n');
    const run = join(directory, 'runs', job.id, '2', 'testing');
    mkdirSync(run, { recursive: true });
    symlinkSync(join(directory, 'secret'), join(run, 'log'));
    expect(await readStageLog(request)).toBeNull();
    rmSync(join(run, 'log'));
    mkdirSync(join(run, 'log'));
    expect(await readStageLog(request)).toBeNull();
  });
});
