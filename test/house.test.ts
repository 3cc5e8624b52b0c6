/**
 * The conventions of this repository. Each is tested twice: no file breaks it, and a file that breaks it is detected.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importViolations } from './house/imports.ts';
import { pureViolations } from './house/pure.ts';
import {
  environmentViolations,
  mapViolations,
  migrationViolations,
  pinViolations,
  scriptViolations,
  testViolations,
} from './house/repository.ts';
import { filesUnder, importsOf, ROOT, source, sourcesUnder } from './house/source.ts';
import { stateViolations } from './house/states.ts';
import {
  constructViolations,
  lengthViolations,
  MAX_FILE_LINES,
  MAX_FUNCTION_LINES,
  nameViolations,
  paragraphViolations,
  purityViolations,
  timerViolations,
} from './house/style.ts';

const files = filesUnder('');
const src = sourcesUnder('src');
const tests = sourcesUnder('test');
const bench = files.some((path) => path.startsWith('bench/')) ? sourcesUnder('bench') : [];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

/** A source file with the given content. */
const sample = (path: string, text: string) => source(path, text);

describe('the import table of ARCHITECTURE.md', () => {
  test('is followed by every file', () => {
    expect(src.length).toBeGreaterThan(0);
    expect(src.flatMap(importViolations)).toEqual([]);
  });

  test.each([
    ['src/machines/job/job.ts', "import { readFile } from 'node:fs';"],
    ['src/machines/job/job.ts', "import type { Store } from '../../engine/ports/store.ts';"],
    ['src/machines/job/job.ts', "const fs = await import('node:fs');"],
    ['src/machines/job/job.ts', 'const module = await import(name);'],
    ['src/machines/job/job.ts', "import { OperationError } from '../../errors.ts';"],
    ['src/engine/loop/engine.ts', "import { openStore } from '../../adapters/sqlite/store.ts';"],
    ['src/engine/loop/engine.ts', "type S = import('../../adapters/sqlite/store.ts').Store;"],
    ['src/engine/loop/engine.ts', "import { setup } from 'xstate';"],
    [
      'src/adapters/evidence/local-evidence.ts',
      "import { Client } from '../gerrit/transport/ssh-connection.ts';",
    ],
    ['src/adapters/run/runner-protocol.ts', "import { readPrivateKey } from '../openssh/key-file.ts';"],
    ['src/adapters/git/command.ts', "import { Engine } from '../../engine/loop/engine.ts';"],
    ['src/adapters/git/command.ts', "import { transition } from '../../machines/job/job.ts';"],
    ['src/adapters/git/command.ts', "import { defaults, type Config } from '../../config/config.ts';"],
    ['src/adapters/git/command.ts', "import ssh2 from 'ssh2';"],
    ['src/adapters/gerrit/transport/ssh-connection.ts', "import ssh2 from 'ssh2';"],
    ['src/adapters/ssh/node.ts', "import type { ClientChannel } from 'ssh2';"],
    ['src/adapters/ssh/client/client.ts', "import { nodeName } from '../address.ts';"],
    ['src/adapters/ssh/client/client.ts', "import { readPrivateKey } from '../../openssh/key-file.ts';"],
    ['src/config/load.ts', "import { GerritStream } from '../adapters/gerrit/stream/stream.ts';"],
    ['src/config/load.ts', "import { RE2JS } from 're2js';"],
    ['src/config/load.ts', "import { step } from '../machines/step.ts';"],
    ['src/cli/commands/status.ts', "import { Engine } from '../../engine/loop/engine.ts';"],
    ['src/cli/commands/status.ts', "import { openStore } from '../../adapters/sqlite/store.ts';"],
    ['src/cli/commands/status.ts', "import { backUp } from '../../adapters/sqlite/backup.ts';"],
    ['src/app/daemon.ts', "import { Command } from 'commander';"],
    ['src/cli/commands/run.ts', "import { demo } from '../../demo/demo.ts';"],
    ['src/demo/demo.ts', "import { main } from '../cli/main.ts';"],
    ['src/app/daemon.ts', "export { demo } from '../demo/demo.ts';"],
    ['src/errors.ts', "import { log } from './log.ts';"],
    ['src/app/daemon.ts', "import lodash from 'lodash';"],
    ['src/app/daemon.ts', "const { z } = require('zod');"],
    ['src/attic/old.ts', ''],
  ])('catches %s: %s', (path, text) => {
    expect(importViolations(sample(path, text))).toHaveLength(1);
  });

  test.each([
    [
      'src/adapters/gerrit/stream/stream.ts',
      "import type { GerritConfig } from '../../../config/config.ts';",
    ],
    ['src/adapters/gerrit/stream/stream.ts', "import { Subject } from 'rxjs';"],
    [
      'src/adapters/gerrit/transport/ssh-connection.ts',
      "import { SshClient } from '../../ssh/client/client.ts';",
    ],
    ['src/adapters/local/launch.ts', "import { RUNNER } from '../run/runner-protocol.ts';"],
    ['src/cli/commands/daemon.ts', "import { runDaemon } from '../../app/daemon.ts';"],
    [
      'src/config/fields/validators.ts',
      "import { patternProblem } from '../../machines/trigger/rules/regex.ts';",
    ],
    ['src/demo/gerrit/ssh-server.ts', "import ssh2 from 'ssh2';"],
  ])('allows %s: %s', (path, text) => {
    expect(importViolations(sample(path, text))).toEqual([]);
  });

  test('detects every kind of import', () => {
    const text = "import 'a'; export * from 'b'; type C = import('c').C; await import('d'); require('e');";
    expect(importsOf(sample('src/app/daemon.ts', text)).map(({ target }) => target)).toEqual([...'abcde']);
  });
});

describe('lengths', () => {
  test('no file and no function is longer than the limit', () => {
    expect(
      [...src, ...tests, ...bench].flatMap((file) => lengthViolations(file, file.path.startsWith('src/'))),
    ).toEqual([]);
  });

  test('catches a long file', () => {
    const [fits, tooLong] = [MAX_FILE_LINES, MAX_FILE_LINES + 1].map((lines) =>
      sample('src/a.ts', 'f();\n'.repeat(lines)),
    );
    expect([fits, tooLong].map((file) => file && lengthViolations(file, true).length)).toEqual([0, 1]);
  });

  test.each(['function f() {', 'const f = () => {', 'class A { f() {', 'const f = function () {'])(
    'catches a long %s',
    (head) => {
      const tail = head.startsWith('class') ? '}}' : '}';
      const ofLength = (lines: number) =>
        sample('src/a.ts', `${head}\n${'  f();\n'.repeat(lines - 2)}${tail}\n`);
      expect(lengthViolations(ofLength(MAX_FUNCTION_LINES), true)).toEqual([]);
      expect(lengthViolations(ofLength(MAX_FUNCTION_LINES + 1), true)).toHaveLength(1);
    },
  );
});

describe('style of one file', () => {
  test('every file name describes its content', () => {
    expect(files.filter((path) => /^(src|test|scripts|bench)\//.test(path)).flatMap(nameViolations)).toEqual(
      [],
    );
  });

  test.each([
    'src/utils.ts',
    'src/cli/helpers/print.ts',
    'src/engine/types.ts',
    'src/demo/index.ts',
    'src/EngineLoop.ts',
  ])('catches the name %s', (path) => expect(nameViolations(path)).toHaveLength(1));

  test('every file begins with a comment', () => {
    expect([...src, ...bench].flatMap(paragraphViolations)).toEqual([]);
    expect(paragraphViolations(sample('src/a.ts', "import { b } from './b.ts';\n"))).toHaveLength(1);
    expect(paragraphViolations(sample('src/a.ts', '/** A file. */\n'))).toHaveLength(1);
  });

  test('nothing bypasses the compiler', () => {
    expect(src.flatMap(constructViolations)).toEqual([]);
  });

  test.each([
    'const a = b as any;',
    'const a = b!;',
    'const a = b!.c;',
    '// @ts-ignore\nf();',
    '/* @ts-expect-error */ f();',
    "export * from './b.ts';",
    "export { b } from './b.ts';",
    'export default class {}',
    'const here = import.meta.dirname;',
  ])('catches %s', (text) => {
    expect(constructViolations(sample('src/a.ts', text))).toHaveLength(1);
  });

  test('machines are pure, the engine uses its clock, and only the CLI and the demo use the console', () => {
    expect(src.flatMap(purityViolations)).toEqual([]);
  });

  test.each([
    ['src/machines/job/job.ts', 'const now = Date.now();'],
    ['src/machines/job/job.ts', 'const at = new Date(0);'],
    ['src/machines/job/job.ts', 'const { random } = Math; const id = Math.random();'],
    ['src/machines/job/job.ts', 'setTimeout(f, 1);'],
    ['src/machines/job/job.ts', 'console.log(1);'],
    ['src/machines/job/job.ts', 'const a = { process };'],
    ['src/engine/loop/engine.ts', 'const now = Date.now();'],
    ['src/engine/loop/engine.ts', 'const now = new Date();'],
    ['src/engine/loop/engine.ts', 'const signal = AbortSignal.timeout(5);'],
    ['src/adapters/local/run.ts', 'console.error(1);'],
  ])('catches %s: %s', (path, text) => {
    expect(purityViolations(sample(path, text))).toHaveLength(1);
  });

  test('timers are set in one file only', () => {
    expect(src.flatMap(timerViolations)).toEqual([]);
  });

  test.each([
    'setTimeout(f, 1);',
    'const timer = setInterval(f, 1);',
    "import { setTimeout as pause } from 'node:timers/promises';",
  ])('catches %s', (text) =>
    expect(timerViolations(sample('src/adapters/local/a.ts', text))).toHaveLength(1),
  );

  test('allows a property with the name of a global', () => {
    const text =
      'interface A { Date: string } const b = { process: 1 }; f(a.Date, b.process, a.console.log);';
    expect(purityViolations(sample('src/machines/job/job.ts', text))).toEqual([]);
  });
});

describe('states and versions', () => {
  test('are named by machines only', () => {
    expect(src.flatMap(stateViolations)).toEqual([]);
  });

  test.each([
    "const machine = 'job@1';",
    "if (stored.state === 'preparing.lookingUp') f();",
    "const queued = job.state.startsWith('queued');",
    'const past = /^(publishing|cleanup)\\b/.test(stored.state);',
    "const rests = ['done', 'parked'].includes(row.state);",
    "switch (stored.state) { case 'stopped': f(); }",
    "prepare('SELECT * FROM job_view WHERE state = ?');",
  ])('catches %s', (text) => {
    expect(stateViolations(sample('src/engine/a.ts', text))).toHaveLength(/rests/.test(text) ? 2 : 1);
    expect(stateViolations(sample('src/machines/a.ts', text))).toEqual([]);
  });

  test.each(["const mode = daemon.mode === 'stopped';", "const top = row.state.split('.')[0];"])(
    'allows %s',
    (text) => {
      expect(stateViolations(sample('src/engine/a.ts', text))).toEqual([]);
    },
  );
});

describe('the repository', () => {
  test('every dependency is pinned, and every install script is allowed or denied', () => {
    expect(pinViolations(manifest, lock)).toEqual([]);
    expect(scriptViolations(manifest, lock)).toEqual([]);
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
  });

  test('catches a loose version, another one in the lock file, and an undecided script', () => {
    const packages = { 'node_modules/a': { version: '1.0.1', hasInstallScript: true } };
    const bad = { dependencies: { a: '1.0.0' }, devDependencies: { b: '^1.0.0' }, allowScripts: { c: true } };
    expect(pinViolations(bad, { packages })).toHaveLength(2);
    expect(scriptViolations(bad, { packages })).toHaveLength(2);
  });

  test('migrations are numbered', () => {
    const names = filesUnder('migrations').map((path) => basename(path));
    expect(migrationViolations(names)).toEqual([]);
    expect(migrationViolations(['0001_log.sql', '0003_views.sql', '0003-x.sql', 'notes.txt'])).toHaveLength(
      3,
    );
  });

  test('tests run and assert', () => {
    expect(tests.filter((file) => file.path !== 'test/house.test.ts').flatMap(testViolations)).toEqual([]);
    const lines = [
      "it.skip('a', f); expect(1)",
      "describe.concurrent.only('a', f); expect(1)",
      'vi.fn(); expect(1)',
      "it('a', f)",
      "import { Sshd } from './sshd.ts'; expect(1)",
    ];
    for (const line of lines) expect(testViolations(sample('test/a.test.ts', line))).toHaveLength(1);
  });

  test('tests that run in threads use nothing outside their process', () => {
    const sources = new Map([...src, ...tests].map((file) => [file.path, file]));
    expect(tests.flatMap((file) => pureViolations(file, sources))).toEqual([]);
    const through = new Map([['test/a.ts', sample('test/a.ts', "import ssh2 from 'ssh2';")]]);
    const violations = (path: string, line: string) => pureViolations(sample(path, line), through);
    const direct = "import { readFileSync } from 'node:fs';";
    expect(violations('test/machines/a.test.ts', direct)).toHaveLength(1);
    expect(violations('test/machines/a.test.ts', "import { a } from '../a.ts';")).toHaveLength(1);
    expect(violations('test/machines/a.test.ts', "import type { A } from '../a.ts';")).toEqual([]);
    expect(violations('test/machines/a.outside.test.ts', direct)).toEqual([]);
  });

  test('no file mentions the environment where it was written', () => {
    const words = [join('..', 'shared'), join('/work', 'main'), join('/work', 'shared')];
    const texts = files.filter((path) => !path.endsWith('package-lock.json'));
    expect(texts.flatMap((path) => environmentViolations(path, read(path), words))).toEqual([]);
    expect(environmentViolations('README.md', `see ${words[0]}/x`, words)).toHaveLength(1);
  });
});

describe('the code map in ARCHITECTURE.md', () => {
  test('names every directory, and no missing path', () => {
    expect(mapViolations(read('ARCHITECTURE.md'), files)).toEqual([]);
    expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(200);
  });

  test('catches a missing directory and a missing path', () => {
    const have = ['src/engine/engine.ts', 'src/engine/loop/step.ts', 'docs/cli.md'];
    expect(mapViolations('`src/engine/`, `src/engine/loop/`, `docs/`', have)).toEqual([]);
    expect(mapViolations('`src/engine/`, `docs/`', have)).toEqual(['add src/engine/loop/']);
    expect(mapViolations('`src/engine/`, `src/engine/loop/`, `docs/`, `src/old.ts`', have)).toEqual([
      'remove src/old.ts',
    ]);
  });

  test('no other page names a missing path', () => {
    const pages = files.filter((path) => /^(?:[A-Z]+|docs\/[a-z-]+)\.md$/.test(path));
    expect(pages.length).toBeGreaterThan(5);
    const missing = pages.flatMap((page) =>
      [...read(page).matchAll(/`((?:src|test|scripts|migrations|bench)\/[\w./-]*)`/g)]
        .map(([, path = '']) => path)
        .filter((path) => !files.some((file) => `${file}/`.startsWith(path.replace(/\/?$/, '/'))))
        .map((path) => `${page}: ${path}`),
    );
    expect(missing).toEqual([]);
  });
});
