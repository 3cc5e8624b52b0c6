/** `replay --step` in a real terminal: keys, sizes, colours, and a terminal that is as before however it ends. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { ArchiveDirectory } from '../../../src/adapters/history-archive/files.ts';
import { openStore } from '../../../src/adapters/sqlite/store.ts';
import { needs } from '../../fixtures/needs.ts';
import { Terminal } from '../../fixtures/tmux.ts';
import { rowsOf } from '../../machines/recorded.ts';
import { appendRows, JOB_ID, makeStore, Program } from '../program.ts';

const { describe, test } = needs('tmux');
const SIZE = { width: 80, height: 24 };

let program: Program;
let directory: string;
let terminal: Terminal | null = null;

beforeAll(async () => {
  program = new Program();
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-player-'));
  await makeStore(join(directory, 'hostile'));
  await storeRecorded('state', rowsOf('setup-retried-then-retry-limit.jsonl'));
  const run = join(directory, 'state', 'runs', 'job-1', '1', 'stacking');
  mkdirSync(run, { recursive: true });
  const line = (second: number) => `2026-01-02 03:04:${second} | \u001b[31mstep\u202e ${second}\u001b[0m`;
  writeFileSync(join(run, 'log'), [10, 11, 12, 13, 14].map(line).join('\n'));
});

afterEach(() => {
  terminal?.close();
  terminal = null;
});

afterAll(() => {
  program.remove();
  rmSync(directory, { recursive: true });
});

async function storeRecorded(name: string, rows: Parameters<typeof appendRows>[1]): Promise<void> {
  mkdirSync(join(directory, name));
  const store = openStore(join(directory, name, 'sos-ci.db'));
  try {
    await appendRows(store, rows);
  } finally {
    store.close();
  }
}

/** Also under CI, which Ink would take for a terminal that cannot be redrawn. */
function play(typed: string, { size = SIZE, state = 'state', env = '', options = '' } = {}): Terminal {
  const command = `CI=true ${env} ${process.execPath} ${program.main} replay ${typed} --step ${options}`;
  terminal = new Terminal(`${command} --state ${join(directory, state)}`, size);
  return terminal;
}

async function expectRestored(shown: Terminal, exit: RegExp): Promise<void> {
  await shown.shows(exit);
  await shown.shows(/ icanon/);
  expect(shown.screen()).toMatch(/^before\n/);
  expect(shown.screen()).not.toMatch(/-icanon|-echo /);
  expect(shown.state('#{alternate_on} #{cursor_flag}')).toBe('0 1');
}

describe('shows', () => {
  test('the row that keys lead to, its state, what it did, and the log at that moment', async () => {
    const shown = play('job-1');
    await shown.shows(/^acme-dsvm {2}912345,3 .*1\/16 .*paused 1x/);
    shown.press('Down', 'Down', 'Down', 'Down');
    await shown.shows(/5\/16/);
    await shown.shows(/> {3}running/);
    await shown.shows(/requested {2}run stacking: \.\/stack\.sh/);
    await shown.shows(
      /up to 2026-01-02T03:04:12\.500Z -+\n(.*\n)*.*\\x1b\[31mstep\\u202e 12\\x1b\[0m\n\? help/,
    );
    expect(shown.screen()).not.toContain('step\\u202e 13');
    shown.press('f');
    await shown.shows(/6\/16[\s\S]*event {6}stacking exited with code 1/);
    await shown.shows(/its end -+\n(.*\n)*.*step\\u202e 14/);
    shown.type('/retrying');
    await shown.shows(/\n\/retrying_\n/);
    shown.press('Enter');
    await shown.shows(/8\/16/);
    shown.type('?');
    await shown.shows(/from a request to its answer/);
  });

  test('time passing', async () => {
    const shown = play('job-1', { options: '--until publishing' });
    await shown.shows(/11\/16/);
    shown.type('+++++ ');
    await shown.shows(/16\/16 .* paused 50x/);
  });

  test('a review, and the connection to Gerrit', async () => {
    await play('review-1').shows(/^review-1 {2}review@1 /);
    terminal?.close();
    await storeRecorded('stream', rowsOf('gerrit-lost-and-found.jsonl'));
    await play('stream', { state: 'stream' }).shows(/^stream {2}stream@1 /);
  });

  test('an archive file, which has no logs', async () => {
    const rows = rowsOf('failing-test.jsonl').map((row, index) => ({ ...row, seq: index + 1 }));
    await new ArchiveDirectory(directory).write({ number: 1, at: 0, histories: [] }, rows);
    const file = join(directory, 'histories-000001.jsonl.gz');
    const shown = play('job-1', { options: `--file ${file} --until testing` });
    await shown.shows(/- testing/);
    shown.press('f');
    await shown.shows(/the log of testing of attempt 1 is not in the archive file/);
  });

  test('rows that a daemon appended meanwhile, after r', async () => {
    const rows = rowsOf('success.jsonl');
    await storeRecorded('live', rows.slice(0, 10));
    const shown = play('review-1', { state: 'live' });
    await shown.shows(/paused 1x/);
    const store = openStore(join(directory, 'live', 'sos-ci.db'));
    await appendRows(store, rows, 10);
    store.close();
    shown.press('r');
    const count = rows.filter(({ history }) => history === 'review-1').length;
    await shown.shows(new RegExp(`1/${count} [\\s\\S]*${count} rows were read`));
  });
});

describe('the terminal', () => {
  test.each([
    [80, 24],
    [41, 13],
    [200, 50],
  ])('of %i by %i is filled and nothing scrolls', async (width, height) => {
    const shown = play('job-1', { size: { width, height } });
    await shown.shows(/\? help/);
    const lines = shown.screen().replace(/\n$/, '').split('\n');
    expect(lines[0]).toMatch(/^acme/);
    expect(lines[height - 2]).toMatch(/^\? help/);
  });

  test('may be resized', async () => {
    const shown = play('job-1', { options: '--at +40s' });
    await shown.shows(/7\/16/);
    for (const [width, height] of [
      [120, 40],
      [60, 16],
      [30, 8],
      [80, 24],
    ] as const) {
      shown.resize(width, height);
      await expect
        .poll(() => shown.screen().replace(/\n+$/, '').split('\n').length)
        .toBe(width < 40 ? 1 : height - 1);
      await shown.shows(width < 40 ? /^too small/ : /^acme-dsvm.*7\/16/);
      expect(shown.screen().match(/paused/g)?.length ?? 0).toBe(width < 40 ? 0 : 1);
    }
  });

  test('has colours, but not with NO_COLOR', async () => {
    const colored = play('job-1');
    await colored.shows(/\? help/);
    expect(colored.screen(true)).toContain('\u001b[7m');
    colored.close();
    const plain = play('job-1', { env: 'NO_COLOR=1' });
    await plain.shows(/\? help/);
    expect(plain.screen(true)).not.toContain('\u001b[');
  });

  test('gets no control character of strangers', async () => {
    const shown = play(JOB_ID, { state: 'hostile', env: 'NO_COLOR=1', size: { width: 100, height: 70 } });
    await shown.shows(/paused 1x/);
    shown.type('d');
    await shown.shows(/Attach \\u001b\[2J faster/);
    expect(shown.screen(true)).not.toContain('\u001b');
  });
});

describe('is restored', () => {
  test.each([
    ['q', 0],
    ['C-c', 130],
  ])('after %s, with exit code %i', async (key, code) => {
    const shown = play('job-1');
    await shown.shows(/\? help/);
    expect(shown.state('#{alternate_on}')).toBe('1');
    shown.press(key);
    await expectRestored(shown, new RegExp(`exit ${code}\n`));
  });

  test.each([
    ['SIGTERM', 143],
    ['SIGHUP', 129],
    ['SIGINT', 130],
  ] as const)('after %s, which ends it', async (signal, code) => {
    const shown = play('job-1');
    await shown.shows(/\? help/);
    process.kill(playerIn(shown.shell), signal);
    await expectRestored(shown, new RegExp(`exit ${code}\n`));
  });

  test('after an error, which is printed', async () => {
    await storeRecorded('lost', rowsOf('success.jsonl'));
    const shown = play('job-1', { state: 'lost', size: { width: 80, height: 60 } });
    await shown.shows(/\? help/);
    const store = openStore(join(directory, 'lost', 'sos-ci.db'));
    store.close();
    writeFileSync(join(directory, 'lost', 'sos-ci.db'), 'no database any more'.repeat(10_000));
    shown.press('r');
    await expectRestored(shown, /exit [1-9]\d*\n/);
    expect(shown.screen()).toContain('sos-ci: ');
  });
});

test('without a terminal it says what to use instead', () => {
  expect(program.run(['replay', 'job-1', '--step', '--state', join(directory, 'state')], directory)).toEqual({
    code: 2,
    out: '',
    err: expect.stringMatching(/--step needs a terminal\n.*--until testing/),
  });
});

test('no other command loads its libraries', () => {
  const loaded = new Set<string>();
  const load = (file: string) => {
    if (loaded.has(file)) return;
    loaded.add(file);
    for (const [, target = ''] of readFileSync(file, 'utf8').matchAll(/(?:from|import)\s*"([^"]+)"/g)) {
      if (target.startsWith('.')) load(join(dirname(file), target));
      else loaded.add(target);
    }
  };
  load(program.main);
  expect([...loaded]).toContain('node:fs');
  expect([...loaded]).not.toContain('ink');
  expect([...loaded]).not.toContain('react');
});

/** The only child of the shell in the pane. */
function playerIn(shell: number): number {
  return Number(readFileSync(`/proc/${shell}/task/${shell}/children`, 'utf8').trim().split(' ')[0]);
}
