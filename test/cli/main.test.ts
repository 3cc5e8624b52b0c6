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
const ask = (...args: string[]) => program.run(args, dir);

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
    const answer = ask('--help');
    expect(answer).toMatchObject({ code: 0, err: '' });
    await expect(answer.out).toMatchFileSnapshot('../golden/help.txt');
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
      'job',
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
    const answer = ask(command, '--help');
    expect(answer).toMatchObject({ code: 0, err: '' });
    expect(answer.out).toMatch(new RegExp(`^Usage: sos-ci ${command} `));
  });
});

describe('usage', () => {
  test.each([
    [['statsu'], /unknown command 'statsu'[\s\S]*Did you mean status\?/],
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
    [['history', 'zzz'], /no history begins with "zzz"\n +stream, voting, or an id/],
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
  ])('%j is an error', (args, message) => {
    const answer = ask(...args);
    expect(answer.err).toMatch(message);
    expect(answer).toMatchObject({ code: 2, out: '' });
  });
});

describe('a store', () => {
  test('is taken from the configuration in the current folder', () => {
    const answer = ask('status');
    expect(answer).toMatchObject({ code: 1, err: '' });
    expect(answer.out).toContain('jobs      1 open: 1 booting');
  });

  test('is taken from the path in the configuration', () => {
    writeFileSync(join(dir, 'elsewhere.yaml'), 'stateDir: state\n');
    expect(ask('jobs', '--config', 'elsewhere.yaml')).toMatchObject({ code: 0, err: '' });
  });

  test('prints the history of its job, by the beginning of the id, and controls no terminal', () => {
    const answer = ask('job', JOB_ID.slice(0, 4));
    expect(answer).toMatchObject({ code: 0, err: '' });
    expect(answer.out).toContain('  subject   Attach \\x1b[2J faster\n');
    expect(answer.out).toContain('got a slot');
  });

  test('replays equal, and not after a row was forged', () => {
    expect(ask('replay', '--all')).toMatchObject({
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
    const answer = ask('replay', JOB_ID, '--state', forged);
    expect(answer).toMatchObject({ code: 1, err: '' });
    expect(answer.out).toMatch(/^different: history j1m2n3p4q5abcdefg, row 3, in state\n/);
    expect(ask('verify', '--state', forged)).toMatchObject({
      code: 1,
      out: expect.stringMatching(/^damaged: 1 history of the log/m),
    });
  });

  test('is verified and its views rebuilt', () => {
    expect(ask('verify')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^sound: .*3 rows of 1 history/),
    });
    expect(ask('rebuild')).toMatchObject({
      code: 0,
      out: expect.stringMatching(/^views rebuilt from 3 rows/),
    });
    expect(ask('verify')).toMatchObject({ code: 0 });
  });

  test('is copied, never over a file, and the copy is confirmed by name', () => {
    const copy = join(dir, 'copy');
    mkdirSync(copy);
    const made = ask('backup', join('copy', 'sos-ci.db'));
    expect(made).toMatchObject({ code: 0, err: '' });
    expect(ask('backup', join('copy', 'sos-ci.db'))).toMatchObject({
      code: 4,
      err: expect.stringContaining('the file exists; a backup never overwrites one'),
    });
    expect(ask('verify', '--state', copy)).toMatchObject({ code: 0 });
    const asked = ask('confirm', '--state', copy);
    expect(asked).toMatchObject({ code: 1, err: '' });
    expect(asked.out).toContain('1 open job, 0 open reviews');
    expect(ask('confirm', '--yes', '--state', copy)).toMatchObject({ code: 0 });
    expect(existsSync(join(copy, 'sos-ci.db.identity'))).toBe(true);
  });

  test.each([
    ['that is not there yet', ['status', '--state', 'none'], 4, /no such database/],
    ['of an alarm', ['alarms', 'ack', 'zz', '--state', 'none'], 4, /no such database/],
    [
      'of a configuration that is not there',
      ['jobs', '--config', 'none/none.yaml'],
      3,
      /no none\.yaml in \/.+\/none\n +name one with --config FILE/,
    ],
    [
      'of a configuration that is a device without end',
      ['jobs', '--config', '/dev/zero'],
      3,
      /\/dev\/zero: cannot be read as a configuration\n +see why: sos-ci config check --config \/dev\/zero/,
    ],
    ['that is no database', ['status', '--state', 'garbage'], 4, /sos-ci\.db/],
  ])('%s', (_name, args, code, message) => {
    mkdirSync(join(dir, 'garbage'), { recursive: true });
    writeFileSync(
      join(dir, 'garbage', 'sos-ci.db'),
      'this is no database, however long it may be'.repeat(100),
    );
    const answer = ask(...args);
    expect(answer.err).toMatch(message);
    expect(answer).toMatchObject({ code, out: '' });
  });

  test('is requested in a folder without a configuration', () => {
    const folder = join(dir, 'elsewhere');
    mkdirSync(folder);
    expect(program.run(['status'], folder)).toEqual({
      code: 3,
      out: '',
      err: `sos-ci: no sos-ci.yaml in ${folder}\n        name one with --config FILE, or a state directory with --state DIR\n`,
    });
  });
});

describe('standard output', () => {
  test.each([
    ['leaves an answer as it is', ['config', 'keys'], 0],
    ['leaves a negative answer as it is', ['status'], 1],
    ['leaves help as it is', ['--help'], 0],
  ])('whose reader closes it %s', async (_name, args, expected) => {
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
  )('of %j on a full disk is one line and an exit code', (args) => {
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

describe('config', () => {
  test('check of a valid file', () => {
    expect(ask('config', 'check')).toEqual({ code: 0, out: 'sos-ci.yaml: valid; 1 job: acme\n', err: '' });
  });

  test('check of an invalid one lists all errors, as text and as JSON', () => {
    writeFileSync(join(dir, 'wrong.yaml'), 'gerit: {}\n"jo\\eb": 1\n');
    const people = ask('config', 'check', '--config', 'wrong.yaml');
    expect(people).toMatchObject({ code: 3, err: '4 mistakes in wrong.yaml\n' });
    expect(people.out).toContain('wrong.yaml:1:1: gerit: unknown key; did you mean "gerrit"?\n');
    expect(people.out).toContain('jo\\x1bb');
    const json = program.run(['config', 'check', '--json'], dir, { SOS_CI_CONFIG: 'wrong.yaml' });
    expect(JSON.parse(json.out)).toMatchObject({ format: 1, ok: false, problems: { length: 4 } });
  });

  test('example is what it prints', () => {
    expect(ask('config', 'check', '--example')).toEqual({ code: 0, out: EXAMPLE, err: '' });
  });

  test('is checked before a daemon or a manual run', () => {
    for (const args of [['daemon'], ['run', 'acme', '1,2']]) {
      const answer = ask(...args, '--config', 'wrong.yaml');
      expect(answer).toMatchObject({ code: 3, out: '' });
      expect(answer.err).toContain('the configuration has 4 mistakes\nwrong.yaml:1:1: ');
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
])('%s %s says that no daemon runs, and what to do', (...args) => {
  const answer = ask(...args);
  expect(answer).toMatchObject({ code: 5, out: '' });
  expect(answer.err).toMatch(/no daemon runs on this state directory\n +start it: sos-ci daemon\n$/);
});
