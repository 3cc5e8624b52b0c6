/** The completion scripts, as real shells use them. */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { needs } from '../../fixtures/needs.ts';
import { JOB_ID, makeStore, Program } from '../program.ts';

let program: Program;
let dir: string;
beforeAll(async () => {
  program = new Program();
  dir = mkdtempSync(join(tmpdir(), 'sos-completion-'));
  writeFileSync(join(dir, 'key'), 'key');
  writeFileSync(
    join(dir, 'sos-ci.yaml'),
    "gerrit: {host: localhost, user: ci, key: key}\njobs: {acme-new: {project: p, testing: {command: ['true'], exitCodeIsResult: true}}}\n",
  );
  await makeStore(join(dir, 'state'));
  mkdirSync(join(dir, 'bin'));
  const command = join(dir, 'bin', 'sos-ci');
  writeFileSync(command, `#!/bin/sh\nexec '${process.execPath}' '${program.main}' "$@"\n`);
  chmodSync(command, 0o755);
});
afterAll(() => {
  program.remove();
  rmSync(dir, { recursive: true });
});

function shell(name: string, args: readonly string[], input: string): string {
  const done = spawnSync(name, args, {
    cwd: dir,
    env: { PATH: `${join(dir, 'bin')}:${process.env.PATH}`, HOME: dir, TERM: 'dumb' },
    input,
    encoding: 'utf8',
    timeout: 50_000,
  });
  expect(done.stderr).toBe('');
  return done.stdout;
}

const CASES: readonly [string, readonly string[]][] = [
  ['sos-ci prom', ['promote']],
  ['sos-ci config s', ['schema', 'show']],
  ['sos-ci job ', [JOB_ID.slice(0, 12)]],
  ['sos-ci log j1m', [JOB_ID.slice(0, 12)]],
  ['sos-ci jobs --job ', ['acme-dsvm', 'acme-new']],
  ['sos-ci run ', ['acme-dsvm', 'acme-new']],
  ['sos-ci log j1m --stage t', ['testing']],
  ['sos-ci wait --tim', ['--timeout']],
];

const words = (line: string) => line.split(' ').slice(1);

describe('complete', () => {
  test.each(CASES)('%s', (line, expected) => {
    const { out, err, code } = program.run(['complete', '--', ...words(line)], dir);
    const values = out
      .trimEnd()
      .split('\n')
      .slice(0, -1)
      .map((each) => each.split('\t')[0]);
    expect({ code, err, values: values.sort() }).toEqual({ code: 0, err: '', values: expected });
  });

  test('describes an id by its job, with control characters escaped', () => {
    const { out } = program.run(['complete', '--', 'job', ''], dir);
    expect(out).toBe(
      `${JOB_ID.slice(0, 12)}\t912345,3 acme-dsvm booting\n:4\n`.replace(
        'booting',
        out.match(/booting\S*/)?.[0] ?? '',
      ),
    );
  });

  test('offers nothing that bash would run', async () => {
    await makeStore(join(dir, 'odd'), '$(reboot)');
    const { out } = program.run(['complete', '--', 'jobs', '--state', 'odd', '--job', ''], dir);
    expect(out).toBe('acme-new\t\n:4\n');
  });

  test('offers commands without a database, and prints no error', () => {
    const elsewhere = join(dir, 'bin');
    expect(program.run(['complete', '--', 'job', ''], elsewhere)).toEqual({ code: 0, out: ':4\n', err: '' });
    expect(program.run(['complete', '--', 'statu'], elsewhere).out).toMatch(/^status\t/);
  });
});

const inBash = needs('bash');
inBash.test.each(CASES)('bash completes %j', (line, expected) => {
  // As bash-completion defines it, for words without quotes.
  const script = `
    _get_comp_words_by_ref() {
      cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD - 1]} words=("\${COMP_WORDS[@]}") cword=$COMP_CWORD
    }
    compopt() { :; }
    source <(sos-ci completion bash)
    COMP_WORDS=(${line
      .split(' ')
      .map((word) => `'${word}'`)
      .join(' ')})
    COMP_CWORD=${line.split(' ').length - 1}
    __sos_ci_complete
    printf '%s\\n' "\${COMPREPLY[@]}" | sort`;
  expect(shell('bash', ['--norc', '-s'], script).trimEnd().split('\n')).toEqual(expected);
});

const inFish = needs('fish');
inFish.test.each(CASES)('fish completes %j', (line, expected) => {
  const out = shell(
    'fish',
    ['--no-config', '-c', `sos-ci completion fish | source; complete -C '${line}'`],
    '',
  );
  expect(
    out
      .trimEnd()
      .split('\n')
      .map((each) => each.split('\t')[0])
      .sort(),
  ).toEqual(expected);
});

const inZsh = needs('zsh');
inZsh.test('zsh accepts the script, and registers it', () => {
  const script =
    'autoload -Uz compinit && compinit -u -d ./zcompdump\nsource <(sos-ci completion zsh)\nprint -r -- $_comps[sos-ci]\n';
  expect(shell('zsh', ['-f', '-s'], script)).toBe('_sos-ci\n');
});
