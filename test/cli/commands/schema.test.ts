/** The published schemas describe what the commands really print, and leave out no key of it. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { schemaCommand } from '../../../src/cli/commands/schema.ts';
import { EXIT } from '../../../src/cli/output/exit-codes.ts';
import { DOCUMENTS } from '../../../src/cli/schemas/documents.ts';
import { fakeIo } from '../../fakes/io.ts';
import { ROOT } from '../../house/source.ts';
import { JOB_ID, makeStore, Program } from '../program.ts';

type Name = keyof typeof DOCUMENTS;

/** A key that the schema does not have is removed by the parser. */
function expectToMatch(name: Name, text: string): void {
  const document: unknown = JSON.parse(text);
  const parsed = DOCUMENTS[name].safeParse(document);
  expect(parsed.error?.issues, name).toBeUndefined();
  expect(parsed.data, name).toEqual(document);
}

describe('the output of a golden file matches its schema', () => {
  test.each<[Name, string]>([
    ['status', 'status'],
    ['jobs', 'jobs'],
    ['job', 'job'],
    ['stats', 'stack-time'],
    ['holds', 'holds'],
    ['janitors', 'janitors'],
    ['leaks', 'leaks'],
    ['explain CHANGE', 'explain-change'],
    ['explain JOB', 'explain-job'],
    ['explain --events', 'explain-events'],
    ['doctor', 'doctor'],
    ['tests ID', 'tests-all'],
    ['tests --failing', 'tests-failing'],
    ['tests --flaky', 'tests-flaky'],
    ['tests --slowest', 'tests-slowest'],
    ['replay --at', 'replay-until'],
  ])('%s', (name, file) => {
    expectToMatch(name, readFileSync(join(ROOT, 'test', 'golden', `${file}.json`), 'utf8'));
  });
});

describe('the output of the program matches its schema', () => {
  let program: Program;
  let dir: string;
  beforeAll(async () => {
    program = new Program();
    dir = mkdtempSync(join(tmpdir(), 'sos-schema-'));
    writeFileSync(join(dir, 'key'), 'key');
    writeFileSync(
      join(dir, 'sos-ci.yaml'),
      "gerrit: {host: localhost, user: ci, key: key}\njobs: {acme: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}\n",
    );
    await makeStore(join(dir, 'state'));
    const run = join(dir, 'state', 'runs', JOB_ID, '1', 'stacking');
    mkdirSync(run, { recursive: true });
    writeFileSync(join(run, 'log'), 'failed\n');
    writeFileSync(join(run, 'rc'), 'exited 1 \n');
  });
  afterAll(() => {
    program.remove();
    rmSync(dir, { recursive: true });
  });

  test.each<[Name, string[]]>([
    ['status', ['status']],
    ['jobs', ['jobs', '--sort', 'took,desc']],
    ['job', ['job', JOB_ID]],
    ['log', ['log', JOB_ID]],
    ['log --failed', ['log', JOB_ID, '--failed']],
    ['stats', ['stats', '--stack-time']],
    ['history', ['history', JOB_ID]],
    ['events', ['events']],
    ['events export', ['events', 'export']],
    ['alarms', ['alarms']],
    ['holds', ['holds']],
    ['explain JOB', ['explain', JOB_ID]],
    ['replay', ['replay', '--all']],
    ['verify', ['verify']],
    ['rebuild', ['rebuild']],
    ['backup', ['backup', 'copy.db']],
    ['config check', ['config', 'check']],
    ['config keys', ['config', 'keys']],
    ['leaks', ['leaks']],
    ['tests ID', ['tests', JOB_ID]],
    ['tests --failing', ['tests', '--failing']],
    ['graph', ['graph']],
    ['graph MACHINE', ['graph', 'job']],
    ['replay --at', ['replay', JOB_ID, '--at', '+1h']],
    ['replay --machine', ['replay', JOB_ID, '--machine', 'job@1']],
    [
      'replay --what-if',
      ['replay', JOB_ID, '--what-if', '{"type": "job.promoted", "by": "alice", "why": "urgent"}'],
    ],
    ['replay --diff', ['replay', JOB_ID, '--diff', JOB_ID]],
    ['export', ['export', JOB_ID, 'bundle.jsonl.gz']],
  ])('%s', (name, args) => {
    const { out, err } = program.run([...args, '--json'], dir);
    expect(out, err).not.toBe('');
    expectToMatch(name, out);
  });

  test('is printed as one line for each entry with --jsonl', () => {
    const { out, code } = program.run(['events', '--jsonl'], dir);
    const document = {
      format: 1,
      events: out
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line)),
    };
    expect(code).toBe(0);
    expect(document.events.length).toBe(3);
    expectToMatch('events', JSON.stringify(document));
  });

  test('is printed without titles with --no-header', () => {
    expect(program.run(['jobs', '--no-header'], dir).out).toMatch(new RegExp(`^${JOB_ID.slice(0, 12)} `));
  });

  test('is found by name', () => {
    const { out, code } = program.run(['schema', 'log', '--failed'], dir);
    expect(code).toBe(0);
    expect(JSON.parse(out)).toMatchObject({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      title: 'sos-ci log --failed --json',
      required: ['format', 'job', 'url', 'failure'],
    });
  });
});

test('every schema can be printed, and accepts keys of a later release', () => {
  for (const name of Object.keys(DOCUMENTS)) {
    const io = fakeIo();
    expect(schemaCommand(io, name.split(' '))).toBe(0);
    expect(io.stdout()).not.toContain('"additionalProperties": false');
  }
});

test('an unknown name suggests one', () => {
  expect(() => schemaCommand(fakeIo(), ['jbos'])).toThrowError(
    expect.objectContaining({ exitCode: EXIT.usage, hint: 'did you mean jobs?' }),
  );
});
