/**
 * Hostile texts passed through a shell on a node, through the splitting of words in Gerrit, and as JSON to a program.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runProgram } from '../../src/adapters/command/run-program.ts';
import { commandLine } from '../../src/adapters/gerrit/transport/ssh-command.ts';
import { launchText } from '../../src/adapters/ssh/launch.ts';
import { OperationError } from '../../src/errors.ts';
import { splitWords } from '../fakes/gerrit-model.ts';
import { needs } from '../fixtures/needs.ts';
import { HOSTILE_TEXTS, inBatches } from './strings.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-hostile-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

/** A text after encoding and decoding as UTF-8: a lone surrogate becomes U+FFFD. */
const throughUtf8 = (text: string) => Buffer.from(text, 'utf8').toString('utf8');

describe('hostile texts', () => {
  test('as arguments and environment of a stage: a real shell passes each on unchanged', () => {
    const script = 'shift 6; printf "%s\\0" "$@"; printf "=\\0"; env -0';
    writeFileSync(join(directory, 'runner.sh'), script);
    // A text with a NUL is rejected before the launch file is written.
    const texts = HOSTILE_TEXTS.filter((text) => !text.includes('\0'));
    expect(texts.length).toBeGreaterThan(HOSTILE_TEXTS.length * 0.9);
    for (const batch of inBatches(texts, 400)) {
      const environment = Object.fromEntries(batch.map((text, index) => [`SOS_CI_FACT_${index}`, text]));
      const limits = { timeoutMs: 1_000, graceMs: 1_000, outputLimitBytes: 1_000, endingTimeoutMs: 1_000 };
      const launch = launchText({ directory, workTree: directory, argv: batch, environment, ...limits });
      writeFileSync(join(directory, 'launch'), launch);
      const argv = [join(directory, 'launch'), join(directory, 'pid')];
      const { stdout, stderr, status } = spawnSync('sh', argv, { maxBuffer: 64 * 1024 * 1024 });
      expect([status, String(stderr)]).toEqual([0, '']);
      const [printed = '', variables = ''] = stdout.toString('utf8').split('\0=\0');
      expect(printed.split('\0')).toEqual(batch.map(throughUtf8));
      const values = new Map(variables.split('\0').map((variable) => splitOnce(variable)));
      expect(batch.map((_, index) => values.get(`SOS_CI_FACT_${index}`))).toEqual(batch.map(throughUtf8));
    }
  });

  test('as arguments of a Gerrit command: each arrives unchanged, or is rejected', () => {
    let rejected = 0;
    for (const text of HOSTILE_TEXTS) {
      const words = ['gerrit', 'query', '--', text, 'last'];
      try {
        expect(splitWords(commandLine(words))).toEqual(words);
      } catch (thrown) {
        if (!(thrown instanceof OperationError)) throw thrown;
        expect(text).toMatch(/\p{Cc}/u);
        rejected += 1;
      }
    }
    expect(rejected).toBeGreaterThan(HOSTILE_TEXTS.length / 100);
    expect(rejected).toBeLessThan(HOSTILE_TEXTS.length / 2);
  });

  needs('python3').test(
    "as JSON for a user's program: a Python program reads one line with the same texts",
    async () => {
      const echo =
        'import json,sys; lines = sys.stdin.buffer.read().split(b"\\n"); ' +
        'print(json.dumps({"lines": len(lines), "texts": json.loads(lines[0])["texts"]}))';
      const answer = await runProgram({
        operation: 'echo',
        argv: ['python3', '-c', echo],
        input: { texts: HOSTILE_TEXTS },
        timeoutMs: 60_000,
        outputLimitBytes: 64 * 1024 * 1024,
        environment: [],
        signal: new AbortController().signal,
      });
      expect(answer).toEqual({ lines: 2, texts: HOSTILE_TEXTS });
    },
  );
});

function splitOnce(variable: string): [string, string] {
  const at = variable.indexOf('=');
  return [variable.slice(0, at), variable.slice(at + 1)];
}
