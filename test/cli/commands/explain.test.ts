/** The output of `sos-ci explain` for a file of events and for a change. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type ExplainOptions, explainCommand } from '../../../src/cli/commands/explain.ts';
import { EMPTY_LOCAL_STATE, printDryRun, readLocalState } from '../../../src/cli/commands/explain-change.ts';
import { textWidth } from '../../../src/cli/output/table.ts';
import { loadConfig } from '../../../src/config/load.ts';
import type { CurrentChange } from '../../../src/machines/model/gerrit-event.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { ROOT } from '../../house/source.ts';
import { PATCHSET } from '../../machines/facts.ts';

const SAMPLE = join(ROOT, 'test', 'samples', 'gerrit-3.9.1-stream.jsonl');
const CONFIG = `
gerrit: {host: localhost, user: acme-ci, name: Acme CI, key: key}
triggers: {requireVote: zuul Verified+1}
jobs:
  acme-dsvm:
    project: openstack/*
    kinds: {exclude: [NO_CODE_CHANGE]}
    testing: {command: [make], exitCodeIsResult: true}
  acme-fc:
    project: openstack/cinder
    topics: [acme-*]
    files: {exclude: [docs]}
    testing: {command: [make], exitCodeIsResult: true}
`;
const DEV = { username: 'dev', name: 'Dev \u001b[2J', email: '' };
const CHANGE: CurrentChange = {
  patchset: { ...PATCHSET, topic: 'acme-retry', subject: 'Make it\u001b[31m faster' },
  status: 'open',
  kind: 'REWORK',
  wip: false,
  private: false,
  uploader: DEV,
  author: DEV,
  hashtags: ['acme', 'backport'],
  files: ['doc/a.rst'],
  votes: [{ account: 'alice', label: 'Code-Review', value: 1 }],
};
let dir: string;
let file: string;

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'sos-trigger-'));
  file = join(dir, 'sos-ci.yaml');
  writeFileSync(join(dir, 'key'), 'key');
  writeFileSync(file, CONFIG);
});
afterAll(() => rmSync(dir, { recursive: true }));

async function explain(options: ExplainOptions, width = Number.POSITIVE_INFINITY) {
  const io = fakeIo({ width });
  return {
    code: await explainCommand(io, undefined, { ...options, config: file }),
    out: io.stdout(),
    err: io.stderr(),
  };
}

describe('a file', () => {
  test.each([100, Number.POSITIVE_INFINITY])('at a width of %d', async (width) => {
    const { code, out, err } = await explain({ events: SAMPLE }, width);
    expect([code, err]).toEqual([0, '49 lines: 7 starts, 33 more that never start a job (--all)\n']);
    await expect(out).toMatchFileSnapshot(`../../golden/explain-events-${width}.txt`);
    for (const line of out.split('\n')) expect(textWidth(line)).toBeLessThanOrEqual(Math.max(width, 112));
  });

  test('with every line', async () => {
    const { out, err } = await explain({ events: SAMPLE, all: true });
    expect(out.trimEnd().split('\n').length).toBeGreaterThan(49);
    expect(err).toBe('49 lines: 7 starts\n');
  });

  test('as JSON has a stable shape', async () => {
    const { code, out } = await explain({ events: SAMPLE, json: true });
    expect(code).toBe(0);
    const { lines, ...rest } = JSON.parse(out);
    expect(lines).toHaveLength(49);
    const shown = { ...rest, file: 'FILE', lines: [2, 5, 6, 17].map((index) => lines[index]) };
    await expect(`${JSON.stringify(shown, null, 2)}\n`).toMatchFileSnapshot(
      '../../golden/explain-events.json',
    );
  });

  test('that is empty starts nothing', async () => {
    writeFileSync(join(dir, 'empty'), '');
    expect(await explain({ events: join(dir, 'empty') })).toEqual({
      code: 0,
      out: '',
      err: '0 lines: 0 starts\n',
    });
  });

  test('with lines that are not events counts them', async () => {
    writeFileSync(join(dir, 'odd'), 'hello\n{"type":"dropped-output"}\n');
    const { out, err } = await explain({ events: join(dir, 'odd') });
    expect(out).toContain('Gerrit lost events for us');
    expect(err).toBe('2 lines: 0 starts, 1 not understood\n');
    expect((await explain({ events: join(dir, 'odd'), all: true })).out).toContain('not-json');
  });

  test.each([
    ['nowhere', /cannot be read: ENOENT/],
    ['.', /cannot be read: EISDIR/],
    ['', /cannot be read: ENOENT/],
  ])('%j is a usage error', async (name, message) => {
    await expect(explain({ events: name })).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
  });
});

describe('a change', () => {
  const show = (change: Partial<CurrentChange> = {}, ours = EMPTY_LOCAL_STATE, json = false) => {
    const io = fakeIo({ now: () => 1_767_323_000_000 });
    const code = printDryRun(io, loadConfig(file), { ...CHANGE, ...change }, ours, json);
    return { code, out: io.stdout() };
  };

  test('shows what would start on it', async () => {
    const { code, out } = show();
    expect(code).toBe(0);
    await expect(out).toMatchFileSnapshot('../../golden/explain-change.txt');
  });

  test('as JSON has a stable shape', async () => {
    const { code, out } = show({}, EMPTY_LOCAL_STATE, true);
    expect(code).toBe(0);
    await expect(out).toMatchFileSnapshot('../../golden/explain-change.json');
  });

  test('on which nothing would start exits with 1', () => {
    expect(show({ status: 'merged' })).toMatchObject({
      code: 1,
      out: expect.stringContaining('the change is merged'),
    });
    const open = [{ id: 'r', patchset: 3, branch: 'master', jobs: ['acme-dsvm', 'acme-fc'] }];
    const busy = { ...EMPTY_LOCAL_STATE, open };
    expect(show({}, busy)).toMatchObject({ code: 1, out: expect.stringContaining('running') });
    const { project, change } = PATCHSET;
    const start = { review: 'r', project, change, by: 'dev', at: 0 };
    const limited = { ...EMPTY_LOCAL_STATE, starts: () => Array.from({ length: 20 }, () => start) };
    expect(show({}, limited)).toMatchObject({ code: 1, out: expect.stringContaining('limit-change') });
  });

  test('is looked up in our own log, if there is one', () => {
    const review = (id: string, project: string, state: string) => ({
      ...{ id, project, state, pipeline: 'check', branch: 'master', change: PATCHSET.change, patchset: 3 },
      ...{ ended: false, outcome: null, openedAt: 0, updatedAt: 0 },
      jobsPending: /^(preparing|awaitingJobs)/.test(state),
    });
    const job = (of: string, name: string, state: string) => ({
      ...review(`${of}-${name}`, PATCHSET.project, state),
      ...{ review: of, name, subject: '', owner: '', provider: 'local' },
      ...{ attempt: 1, verdict: null, reason: '' },
      ...{ url: null, acceptedAt: 0, endedAt: null },
      ...{ queued: state.startsWith('queued'), cleaningUp: state.startsWith('cleanup'), parked: false },
    });
    const reader = fakeReader({
      reviews: [
        review('r1', PATCHSET.project, 'preparing.lookingUp'),
        review('r2', 'other', 'awaitingJobs'),
        review('r3', PATCHSET.project, 'posting.sending'),
      ],
      jobs: [job('r1', 'a', 'testing.running'), job('r1', 'b', 'cleanup'), job('r3', 'a', 'cleanup')],
    });
    const ours = readLocalState(reader, CHANGE);
    expect(ours.open).toEqual([
      { id: 'r3', patchset: 3, branch: 'master', jobs: [], begun: true },
      { id: 'r1', patchset: 3, branch: 'master', jobs: ['a'], begun: true },
    ]);
    expect(ours.openJobs).toBe(3);
  });
});

test('shows the start that waits for a limit, and the ignored requests', () => {
  const config = loadConfig(file);
  const start = {
    do: 'start',
    patchset: CHANGE.patchset,
    jobs: ['acme-dsvm'],
    trigger: 't',
    kind: 'patchset',
    by: 'dev',
    at: 0,
    requiredVote: null,
    rule: 'patchset',
    why: 'new patchset',
  } as const;
  const at = Date.UTC(2026, 0, 2, 3, 4, 5);
  const waiting = { start, rule: 'limit-change', why: 'it was started 20 times', since: at } as const;
  const { project, change } = PATCHSET;
  const request = { project, change, patchset: 3, by: 'dev', at, rule: 'running', why: 'it runs' } as const;
  const io = fakeIo({ now: () => at });
  printDryRun(io, config, CHANGE, { ...EMPTY_LOCAL_STATE, waiting, ignored: [request] }, false);
  expect(io.stdout()).toMatch(
    /^waits +patchset 3 \(acme-dsvm\) since 2026-01-02 03:04:05.* \(limit-change: it was started 20 times\)$/m,
  );
  expect(io.stdout()).toMatch(/^ignored +2026-01-02 03:04:05.* patchset 3, by dev \(running: it runs\)$/m);
});
