import { spawn, spawnSync } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Sqlite from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EXAMPLE } from '../../src/config/file/init-template.ts';
import { sampled } from '../fixtures/effort.ts';
import { JOB_ID, makeStore, Program } from './program.ts';

let program: Program;
let dir: string;
const runCli = (...args: string[]) => program.run(args, dir);

beforeAll(async () => {
  program = new Program();
  dir = mkdtempSync(join(tmpdir(), 'sos-main-'));
  writeFileSync(join(dir, 'key'), 'key');
  writeFileSync(
    join(dir, 'sos-ci.yaml'),
    "gerrit: {host: localhost, user: ci, key: key}\njobs: {acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}\n",
  );
  await makeStore(join(dir, 'state'));
});
afterAll(() => {
  program.remove();
  rmSync(dir, { recursive: true });
});

describe('help', () => {
  test('prints the commands', async () => {
    const result = runCli('--help');
    expect(result).toMatchObject({ code: 0, err: '' });
    await expect(result.out).toMatchFileSnapshot('../golden/help.txt');
  });

  test('prints default times as they are written', () => {
    const { out } = runCli('hold', '--help');
    expect(out).toMatch(/--hours .*\(default: 12\)/);
    expect(out).toMatch(/--timeout .*\(default: 3m\)/);
  });

  test.each(
    sampled([
      'init',
      'doctor',
      'daemon',
      'run',
      'demo',
      'status',
      'jobs',
      'stats',
      'job',
      'log',
      'replay',
      'verify',
      'rebuild',
      'backup',
      'confirm',
      'config',
      'history',
      'explain',
      'enqueue',
      'dequeue',
      'promote',
      'recheck',
      'reload',
      'resume-voting',
      'alarms',
    ]),
  )('of %s', (command) => {
    const result = runCli(command, '--help');
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.out).toMatch(new RegExp(`^Usage: sos-ci ${command} `));
  });
});

describe('usage', () => {
  test.each(
    sampled<[string[], RegExp]>([
      [['statuss'], /unknown command 'statuss'[\s\S]*Did you mean status\?/],
      [['status', '--jason'], /unknown option '--jason'[\s\S]*Did you mean --json\?/],
      [['jobs', '--limit', '0'], /It must be a positive whole number/],
      [['daemon', '-n', 'two'], /It must be a positive whole number/],
      [['job'], /missing required argument 'id'/],
      [['job', 'zzz'], /no job begins with "zzz"\n +list them: sos-ci jobs/],
      [['replay'], /name one history, or use --all/],
      [['init', 'elsewhere'], /init needs a terminal, or --yes with options\n +sos-ci init --yes/],
      [['explain'], /name one change, one job or one file of events\n +sos-ci explain 912345/],
      [['explain', '912345', '--events', 'key'], /name one change, one job or one file of events/],
      [
        ['explain', '912345,3'],
        /"912345,3" names a patchset; explain uses the current one\n +sos-ci explain 912345/,
      ],
      [['explain', 'zzz'], /no job begins with "zzz"/],
      [['history', 'zzz'], /no history begins with "zzz"\n +stream, voting, archive, or an id/],
      [['explain', '--events', 'nowhere'], /nowhere cannot be read: ENOENT/],
      [['explain', '--events', '/dev/zero'], /\/dev\/zero is larger than 64 MiB\n +explain a part of it/],
      [['run', 'acme', '912345'], /"912345" is not CHANGE,PATCHSET\n +write change and patchset/],
      [['alarms', 'ack'], /name one alarm by its id, or use --all/],
      [['alarms', 'ack', 'zz'], /no alarm begins with "zz"/],
      [['enqueue', 'acme', '912345'], /"acme" is not a change\n +write its number/],
      [['recheck', '912345,3'], /always uses the current patchset/],
      [['dequeue', 'zzz'], /no job begins with "zzz"/],
      [['promote', '1', '--timeout', 'soon'], /Write it as 30s, 5m or 1h/],
      [['run', 'acmee', '1,2'], /there is no job "acmee"\n +did you mean acme\?/],
    ]),
  )('%j is an error', (args, message) => {
    const result = runCli(...args);
    expect(result.err).toMatch(message);
    expect(result).toMatchObject({ code: 2, out: '' });
  });
});

describe('a store', () => {
  test('is taken from the configuration in the current directory', () => {
    const result = runCli('status');
    expect(result).toMatchObject({ code: 1, err: '' });
    expect(result.out).toContain('jobs      1 open: 1 booting');
  });

  test('is taken from the path in the configuration', () => {
    writeFileSync(join(dir, 'elsewhere.yaml'), 'stateDir: state\n');
    expect(runCli('jobs', '--config', 'elsewhere.yaml')).toMatchObject({ code: 0, err: '' });
  });

  test('is taken from --state, which selects no state of jobs', () => {
    const [all, open] = [runCli('jobs', '--state', 'state'), runCli('jobs', '--open', '--state', 'state')];
    expect([all.code, all.out]).toEqual([0, expect.stringContaining('j1m2n3p4q5ab')]);
    expect(open.out).toBe(all.out);
  });

  test('prints the history of its job, by the beginning of the id, with control characters escaped', () => {
    const result = runCli('job', JOB_ID.slice(0, 4));
    expect(result).toMatchObject({ code: 0, err: '' });
    expect(result.out).toContain('  subject   Attach \\x1b[2J faster\n');
    expect(result.out).toContain('got a slot');
  });

  test('replays as equal, and as different after a row was forged', () => {
    expect(runCli('replay', '--all')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^equal: 3 rows of 1 history/),
    });
    const forged = join(dir, 'forged');
    mkdirSync(forged);
    copyFileSync(join(dir, 'state', 'sos-ci.db'), join(forged, 'sos-ci.db'));
    const database = new Sqlite(join(forged, 'sos-ci.db'));
    for (const { name } of database
      .prepare("SELECT name FROM sqlite_master WHERE type = 'trigger'")
      .all() as { name: string }[]) {
      database.exec(`DROP TRIGGER ${name}`);
    }
    database.exec("UPDATE event SET state = 'testing' WHERE version = 3");
    database.close();
    const result = runCli('replay', JOB_ID, '--state', forged);
    expect(result).toMatchObject({ code: 1, err: '' });
    expect(result.out).toMatch(/^different: history j1m2n3p4q5abcdefg, row 3, in state\n/);
    expect(runCli('verify', '--state', forged)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^damaged: 1 history of the log/m),
    });
  });

  test('is verified and its views rebuilt', () => {
    expect(runCli('verify')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^sound: .*3 rows of 1 history/),
    });
    expect(runCli('rebuild')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^views rebuilt from 3 rows/),
    });
    expect(runCli('verify')).toMatchObject({ code: 0 });
  });

  test('is copied, never over an existing file, and the copy can be confirmed', () => {
    const copy = join(dir, 'copy');
    mkdirSync(copy);
    const made = runCli('backup', join('copy', 'sos-ci.db'));
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(runCli('backup', join('copy', 'sos-ci.db'))).toMatchObject({
      code: 4,
      err: expect.stringContaining('the file exists; a backup never overwrites one'),
    });
    expect(runCli('verify', '--state', copy)).toMatchObject({ code: 0 });
    const unconfirmed = runCli('confirm', '--state', copy);
    expect(unconfirmed).toMatchObject({ code: 1, err: '' });
    expect(unconfirmed.out).toContain('1 open job, 0 open reviews');
    expect(runCli('confirm', '--yes', '--state', copy)).toMatchObject({ code: 0 });
    expect(existsSync(join(copy, 'sos-ci.db.identity'))).toBe(true);
  });

  test.each([
    ['that does not exist yet', ['status', '--state', 'none'], 4, /no such database/],
    ['of an alarm', ['alarms', 'ack', 'zz', '--state', 'none'], 4, /no such database/],
    [
      'of a missing configuration',
      ['jobs', '--config', 'none/none.yaml'],
      3,
      /no none\.yaml in \/.+\/none\n +name one with --config FILE/,
    ],
    [
      'of a configuration that is an endless device',
      ['jobs', '--config', '/dev/zero'],
      3,
      /\/dev\/zero: cannot be read as a configuration\n +see why: sos-ci config check --config \/dev\/zero/,
    ],
    ['that is not a database', ['status', '--state', 'garbage'], 4, /sos-ci\.db/],
  ])('%s', (_name, args, code, message) => {
    mkdirSync(join(dir, 'garbage'), { recursive: true });
    writeFileSync(
      join(dir, 'garbage', 'sos-ci.db'),
      'this is no database, however long it may be'.repeat(100),
    );
    const result = runCli(...args);
    expect(result.err).toMatch(message);
    expect(result).toMatchObject({ code, out: '' });
  });

  test('is requested in a directory without a configuration', () => {
    const directory = join(dir, 'elsewhere');
    mkdirSync(directory);
    expect(program.run(['status'], directory)).toEqual({
      code: 3,
      out: '',
      err: `sos-ci: no sos-ci.yaml in ${directory}\n        name one with --config FILE, or a state directory with --state DIR\n`,
    });
  });
});

describe('standard output', () => {
  test.each([
    ['keeps the exit code of success', ['config', 'keys'], 0],
    ['keeps the exit code of a negative result', ['status'], 1],
    ['keeps the exit code of help', ['--help'], 0],
  ])('that its reader closes %s', async (_name, args, expected) => {
    const child = spawn(process.execPath, [program.main, ...args], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    let err = '';
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, err }).toEqual({ code: expected, err: '' });
  });

  test.each(
    sampled([
      [['--help']],
      [['--version']],
      [['status']],
      [['status', '--json']],
      [['jobs']],
      [['job', JOB_ID]],
      [['verify']],
      [['replay', '--all']],
      [['config', 'keys']],
      [['config', 'check']],
      [['explain', '--events', 'key', '--json']],
      [['explain', JOB_ID]],
      [['history', JOB_ID]],
      [['doctor']],
    ]),
  )('of %j on a full disk gives one error line and an exit code', (args) => {
    const full = openSync('/dev/full', 'w');
    const done = spawnSync(process.execPath, [program.main, ...args], {
      cwd: dir,
      env: { PATH: process.env.PATH },
      stdio: ['ignore', full, 'pipe'],
      encoding: 'utf8',
      timeout: 60_000,
    });
    closeSync(full);
    expect({ code: done.status, err: done.stderr }).toEqual({
      code: 5,
      err: 'sos-ci: standard output cannot be written: ENOSPC: no space left on device, write\n',
    });
  });
});

describe('a command that follows', () => {
  test.each([
    ['events --follow prints what a writer appends', ['events', '--follow', '--limit', '1'], 'got a slot'],
    ['jobs --watch', ['jobs', '--watch'], 'acme-dsvm'],
  ])('%s, and ends with 0 on Ctrl-C', async (_name, args, text) => {
    const child = spawn(process.execPath, [program.main, ...args], {
      cwd: dir,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: 50_000,
    });
    let [out, err] = ['', ''];
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.stdout.on('data', (chunk) => {
      out += chunk;
      if (out.includes(text)) child.kill('SIGINT');
    });
    const code = await new Promise((resolve) => child.on('close', resolve));
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).not.toContain('\u001b');
  });
});

describe('config', () => {
  test('check of a valid file', () => {
    expect(runCli('config', 'check')).toEqual({ code: 0, out: 'sos-ci.yaml: valid; 1 job: acme\n', err: '' });
  });

  test('check of an invalid one lists all errors, as text and as JSON', () => {
    writeFileSync(join(dir, 'wrong.yaml'), 'gerit: {}\n"jo\\eb": 1\n');
    const text = runCli('config', 'check', '--config', 'wrong.yaml');
    expect(text).toMatchObject({ code: 3, err: '4 errors in wrong.yaml\n' });
    expect(text.out).toContain('wrong.yaml:1:1: gerit: unknown key; did you mean "gerrit"?\n');
    expect(text.out).toContain('jo\\x1bb');
    const json = program.run(['config', 'check', '--json'], dir, { SOS_CI_CONFIG: 'wrong.yaml' });
    expect(JSON.parse(json.out)).toMatchObject({ format: 1, ok: false, problems: { length: 4 } });
  });

  test('check --example prints the example', () => {
    expect(runCli('config', 'check', '--example')).toEqual({ code: 0, out: EXAMPLE, err: '' });
  });

  test('is checked before a daemon or a manual run', () => {
    for (const args of [['daemon'], ['run', 'acme', '1,2']]) {
      const result = runCli(...args, '--config', 'wrong.yaml');
      expect(result).toMatchObject({ code: 3, out: '' });
      expect(result.err).toContain('the configuration has 4 errors\nwrong.yaml:1:1: ');
    }
  });
});

test.each([
  ['enqueue', '912345'],
  ['dequeue', '912345,3'],
  ['promote', '912345', '912346'],
  ['recheck', '912345'],
  ['reload'],
  ['resume-voting', '--json'],
  ['alarms', 'ack', '--all', '--json'],
])('%s %s reports that no daemon is running, and how to start it', (...args) => {
  const result = runCli(...args);
  expect(result).toMatchObject({ code: 5, out: '' });
  expect(result.err).toMatch(/no daemon is running for this state directory\n +start it: sos-ci daemon\n$/);
});
