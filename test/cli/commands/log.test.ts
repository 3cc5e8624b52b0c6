import { spawn } from 'node:child_process';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type LogOptions, type LogSources, logCommand } from '../../../src/cli/commands/log.ts';
import { EXIT } from '../../../src/cli/output/exit-codes.ts';
import type { JobView } from '../../../src/engine/ports/store.ts';
import { sleep } from '../../../src/timer.ts';
import { fakeIo } from '../../fakes/io.ts';
import { fakeReader } from '../../fakes/reader.ts';
import { JOB_ID, makeStore, Program } from '../program.ts';
import { NOW, RUNNING, SAMPLE } from '../sample.ts';
import { FAILED } from '../sample-story.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'sos-log-'));
});
afterEach(() => rmSync(state, { recursive: true }));

function writeRun(job: string, attempt: number, stage: string, log: string, rc: string | null): string {
  const directory = join(state, 'runs', job, String(attempt), stage);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'log'), log);
  if (rc !== null) writeFileSync(join(directory, 'rc'), rc);
  return join(directory, 'log');
}

const running = SAMPLE.jobs.find(({ id }) => id === RUNNING) as JobView;
const ABORTABLE = new AbortController().signal;

function sources(more: Partial<LogSources> = {}): LogSources {
  const none = { publishedRoot: async () => null, sleep: async () => undefined };
  return { stateDir: state, signal: ABORTABLE, ...none, ...more };
}

async function log(
  id: string,
  options: LogOptions = {},
  more: Partial<LogSources> = {},
  reader = fakeReader(SAMPLE),
) {
  const io = fakeIo({ now: () => NOW, alive: () => true });
  const code = await logCommand(io, reader, id, options, sources(more));
  return { code, out: io.stdout(), err: io.stderr() };
}

describe('log', () => {
  beforeEach(() => {
    writeRun(FAILED, 1, 'stacking', 'stack 1\n', 'exited 1 \n');
    writeRun(FAILED, 2, 'stacking', 'stack 2', 'exited 0 \n');
    writeRun(FAILED, 2, 'testing', 'ok 1\nnot ok 2 - test_attach\n  ---\n', 'exited 1 \n');
  });

  test('prints the log of each stage below its heading', async () => {
    expect(await log(FAILED)).toEqual({
      code: 0,
      err: '',
      out: `==> stacking, attempt 1 <==\nstack 1\n==> stacking, attempt 2 <==\nstack 2\n==> testing, attempt 2 <==\nok 1\nnot ok 2 - test_attach\n  ---\n`,
    });
  });

  test('prints one log as it is', async () => {
    expect((await log(FAILED, { stage: 'stacking', attempt: 2 })).out).toBe('stack 2');
  });

  test('lists the logs as JSON', async () => {
    const { out } = await log(FAILED, { json: true, stage: 'testing' });
    expect(JSON.parse(out)).toMatchObject({
      job: FAILED,
      logs: [
        {
          attempt: 2,
          stage: 'testing',
          end: 'exited 1',
          bytes: 34,
          path: expect.stringContaining('2/testing/log'),
        },
      ],
    });
  });

  test('lets no control character through, also if it is split between two reads', async () => {
    const split = `${'x'.repeat(64 * 1024 - 1)}é\u001b[2J\u202egnp\u0007\rover\r\nend\n`;
    writeRun(FAILED, 1, 'stacking', split, 'exited 0 \n');
    const { out } = await log(FAILED, { stage: 'stacking', attempt: 1 });
    expect(out).toBe(`${'x'.repeat(64 * 1024 - 1)}é\\x1b[2J\\u202egnp\\x07\nover\nend\n`);
  });

  test('follows no link out of a run directory, and opens no pipe or device', async () => {
    const secret = join(state, 'secret');
    writeFileSync(secret, 'secret');
    rmSync(join(state, 'runs', FAILED, '2', 'testing', 'log'));
    symlinkSync(secret, join(state, 'runs', FAILED, '2', 'testing', 'log'));
    rmSync(join(state, 'runs', FAILED, '1'), { recursive: true });
    symlinkSync(state, join(state, 'runs', FAILED, '1'));
    expect((await log(FAILED)).out).toBe('==> stacking, attempt 2 <==\nstack 2');
  });

  test('says where the logs are published, if not on this host', async () => {
    rmSync(join(state, 'runs'), { recursive: true });
    await expect(log(FAILED)).rejects.toMatchObject({
      exitCode: EXIT.refused,
      hint: expect.stringContaining('https://logs.example.org/'),
    });
  });

  test('says that no stage has begun', async () => {
    await expect(log(RUNNING)).rejects.toMatchObject({
      message: expect.stringContaining('has no log yet'),
      hint: 'see what it did: sos-ci job 01kfa8yq7p1z',
    });
  });
});

describe('log of removed run directories', () => {
  const stages = [
    {
      attempt: 2,
      stage: 'testing',
      end: 'exited 1',
      startedAt: null,
      endedAt: null,
      log: 'attempt-2/testing.log',
    },
  ];
  const files = (directory: string) => {
    mkdirSync(join(directory, 'attempt-2'), { recursive: true });
    writeFileSync(join(directory, 'attempt-2', 'testing.log'), 'kept\n');
  };

  test('is read from the collected evidence', async () => {
    files(join(state, 'evidence', FAILED, 'files'));
    const list = {
      version: 1,
      job: FAILED,
      attempt: 2,
      limitBytes: 1,
      skipped: 0,
      stages,
      failedTests: [],
      skippedFiles: [],
      files: [],
    };
    writeFileSync(join(state, 'evidence', FAILED, 'collected.json'), JSON.stringify(list));
    expect((await log(FAILED, { stage: 'testing' })).out).toBe('kept\n');
  });

  test('is read from the published directory of the job, and of no other', async () => {
    const directory = join(state, 'www', '45', '912345', '3', 'check', 'acme-dsvm', FAILED.slice(0, 12));
    files(directory);
    const manifest = { version: 1, job: FAILED, stages, files: [], pages: [] };
    const published = { publishedRoot: async () => join(state, 'www') };
    writeFileSync(join(directory, 'manifest.json'), JSON.stringify(manifest));
    expect((await log(FAILED, { stage: 'testing' }, published)).out).toBe('kept\n');
    writeFileSync(join(directory, 'manifest.json'), JSON.stringify({ ...manifest, job: 'other' }));
    await expect(log(FAILED, {}, published)).rejects.toMatchObject({ exitCode: EXIT.refused });
  });
});

describe('log --failed', () => {
  const reader = fakeReader({
    ...SAMPLE,
    rows: SAMPLE.rows.map((row) =>
      row.type === 'results.read'
        ? { ...row, data: { ...row.data, results: { failures: ['test_b', 'test_a'] } } }
        : row,
    ),
  });
  const lines = (from: number, to: number) =>
    Array.from({ length: to - from + 1 }, (_, index) => `line ${from + index}`).join('\n');

  test('prints the lines around the first failed test', async () => {
    const text = `${lines(1, 49)}\n\u001b[31mnot ok\u001b[0m 1 - test_a \u202e\n${lines(51, 99)}\nnot ok 2 - test_b\n`;
    writeRun(FAILED, 1, 'stacking', 'stack 1\n', 'exited 1 \n');
    writeRun(FAILED, 2, 'testing', text, 'exited 1 \n');
    const { code, out, err } = await log(FAILED, { failed: true }, {}, reader);
    expect(code).toBe(0);
    await expect(out).toMatchFileSnapshot('../../golden/log-failed.txt');
    expect(err).toBe('the whole log: sos-ci log 01kfa7xw2m6v --stage testing --attempt 2\n');
  });

  test('prints the end of the log of a stage that failed without naming a test', async () => {
    writeRun(FAILED, 2, 'stacking', `${lines(1, 60)}\n`, 'timedOut \n');
    const { out } = await log(FAILED, { failed: true });
    expect(out).toContain('stacking, attempt 2, timedOut: the end of its log\n  36  line 36\n');
    expect(out.endsWith('  60  line 60\n')).toBe(true);
  });

  test('answers no if nothing has failed', async () => {
    writeRun(RUNNING, 2, 'stacking', 'x\n', 'exited 0 \n');
    writeRun(RUNNING, 2, 'testing', 'x\n', null);
    expect(await log(RUNNING, { failed: true })).toEqual({
      code: 1,
      out: 'nothing has failed so far\n',
      err: '',
    });
  });
});

describe('log --follow', () => {
  test('prints what is added until the job has ended, across attempts, a moved file, and a stop of the daemon', async () => {
    const first = writeRun(RUNNING, 1, 'stacking', 'one\n', null);
    let [job, alive]: [JobView, boolean] = [{ ...running, attempt: 1 }, true];
    const steps = [
      () => appendFileSync(first, 'two\n'),
      () => {
        alive = false;
        appendFileSync(first, 'thr');
      },
      () => {
        alive = true;
        appendFileSync(first, 'ee\n');
        writeRun(RUNNING, 2, 'testing', 'four\n', null);
        job = { ...running, attempt: 2 };
      },
      () => {
        appendFileSync(join(state, 'runs', RUNNING, '2', 'testing', 'log'), 'five\n');
        renameSync(join(state, 'runs', RUNNING), join(state, 'removed'));
        job = { ...job, ended: true, verdict: 'FAILURE' };
      },
    ];
    const reader = { ...fakeReader(SAMPLE), job: () => job };
    const io = fakeIo({ now: () => NOW, alive: () => alive });
    const sleep = async () => steps.shift()?.();
    expect(await logCommand(io, reader, RUNNING, { follow: true }, sources({ sleep }))).toBe(0);
    expect(io.stdout()).toBe(
      '==> stacking, attempt 1 <==\none\ntwo\nthree\n==> testing, attempt 2 <==\nfour\nfive\n',
    );
    expect(io.stderr()).toBe(
      'no daemon runs; the job goes on when one starts: sos-ci daemon\nthe job has ended: FAILURE; its history: sos-ci job 01kfa8yq7p1z\n',
    );
    expect(steps).toEqual([]);
  });

  test('does not go with --failed', async () => {
    await expect(log(RUNNING, { follow: true, failed: true })).rejects.toMatchObject({
      exitCode: EXIT.usage,
    });
  });
});

describe('the program', () => {
  let program: Program;
  beforeAll(() => {
    program = new Program();
  });
  afterAll(() => program.remove());

  const MIB = 1024 ** 2;
  const LINE_MIB = 256;

  test('prints a line without end in bounded memory, also to a slow reader, and ends with 0 on Ctrl-C', async () => {
    await makeStore(state);
    const path = writeRun(JOB_ID, 1, 'stacking', '', null);
    for (let part = 0; part < LINE_MIB; part++) appendFileSync(path, Buffer.alloc(MIB, 'x'));
    const args = [program.main, 'log', JOB_ID, '--state', state, '--follow', '--stage', 'stacking'];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 50_000 });
    let [bytes, err, status] = [0, '', ''];
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    // Like `less` before a key is pressed.
    await sleep(2_000);
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes < LINE_MIB * MIB) return;
      status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
      child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, bytes }).toEqual({ code: 0, bytes: LINE_MIB * MIB });
    expect(err).toMatch(/^(no daemon runs.*\n)?$/);
    expect(Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024).toBeLessThan(LINE_MIB - 56);
  });
});
