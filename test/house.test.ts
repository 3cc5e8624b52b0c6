/**
 * The conventions of this repository. Each is tested twice: no file breaks it, and a file that breaks it is detected.
 */
import { readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importBreaches } from './house/imports.ts';
import { pureBreaches } from './house/pure.ts';
import {
  mapBreaches,
  migrationBreaches,
  pinBreaches,
  scriptBreaches,
  strayBreaches,
  testBreaches,
} from './house/repository.ts';
import { filesUnder, importsOf, ROOT, source, sourcesUnder } from './house/source.ts';
import { stateBreaches } from './house/states.ts';
import {
  constructBreaches,
  LONGEST_FILE,
  LONGEST_FUNCTION,
  lengthBreaches,
  nameBreaches,
  paragraphBreaches,
  purityBreaches,
  timerBreaches,
} from './house/style.ts';

const files = filesUnder('');
const src = sourcesUnder('src');
const tests = sourcesUnder('test');
const bench = files.some((path) => path.startsWith('bench/')) ? sourcesUnder('bench') : [];
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const manifest = JSON.parse(read('package.json'));
const lock = JSON.parse(read('package-lock.json'));

/** A source file with this content. */
const sample = (path: string, text: string) => source(path, text);

describe('the import table of ARCHITECTURE.md', () => {
  test('holds', () => {
    expect(src.length).toBeGreaterThan(0);
    expect(src.flatMap(importBreaches)).toEqual([]);
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
    expect(importBreaches(sample(path, text))).toHaveLength(1);
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
    expect(importBreaches(sample(path, text))).toEqual([]);
  });

  test('detects every kind of import', () => {
    const text = "import 'a'; export * from 'b'; type C = import('c').C; await import('d'); require('e');";
    expect(importsOf(sample('src/app/daemon.ts', text)).map(({ target }) => target)).toEqual([...'abcde']);
  });
});

describe('lengths', () => {
  test('no file and no function is longer than the limit', () => {
    expect(
      [...src, ...tests, ...bench].flatMap((file) => lengthBreaches(file, file.path.startsWith('src/'))),
    ).toEqual([]);
  });

  test('catches a long file', () => {
    const [fits, tooLong] = [LONGEST_FILE, LONGEST_FILE + 1].map((lines) =>
      sample('src/a.ts', 'f();\n'.repeat(lines)),
    );
    expect([fits, tooLong].map((file) => file && lengthBreaches(file, true).length)).toEqual([0, 1]);
  });

  test.each(['function f() {', 'const f = () => {', 'class A { f() {', 'const f = function () {'])(
    'catches a long %s',
    (head) => {
      const tail = head.startsWith('class') ? '}}' : '}';
      const ofLength = (lines: number) =>
        sample('src/a.ts', `${head}\n${'  f();\n'.repeat(lines - 2)}${tail}\n`);
      expect(lengthBreaches(ofLength(LONGEST_FUNCTION), true)).toEqual([]);
      expect(lengthBreaches(ofLength(LONGEST_FUNCTION + 1), true)).toHaveLength(1);
    },
  );
});

describe('style of one file', () => {
  test('no file has a name that says nothing', () => {
    expect(files.filter((path) => /^(src|test|scripts|bench)\//.test(path)).flatMap(nameBreaches)).toEqual(
      [],
    );
  });

  test.each([
    'src/utils.ts',
    'src/cli/helpers/print.ts',
    'src/engine/types.ts',
    'src/demo/index.ts',
    'src/EngineLoop.ts',
  ])('catches the name %s', (path) => expect(nameBreaches(path)).toHaveLength(1));

  test('every file begins with a comment', () => {
    expect([...src, ...bench].flatMap(paragraphBreaches)).toEqual([]);
    expect(paragraphBreaches(sample('src/a.ts', "import { b } from './b.ts';\n"))).toHaveLength(1);
    expect(paragraphBreaches(sample('src/a.ts', '/** A file. */\n'))).toHaveLength(1);
  });

  test('nothing bypasses the compiler', () => {
    expect(src.flatMap(constructBreaches)).toEqual([]);
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
    expect(constructBreaches(sample('src/a.ts', text))).toHaveLength(1);
  });

  test('machines are pure, the engine uses its clock, only the CLI uses the console', () => {
    expect(src.flatMap(purityBreaches)).toEqual([]);
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
    expect(purityBreaches(sample(path, text))).toHaveLength(1);
  });

  test('timers are set in one file only', () => {
    expect(src.flatMap(timerBreaches)).toEqual([]);
  });

  test.each([
    'setTimeout(f, 1);',
    'const timer = setInterval(f, 1);',
    "import { setTimeout as pause } from 'node:timers/promises';",
  ])('catches %s', (text) => expect(timerBreaches(sample('src/adapters/local/a.ts', text))).toHaveLength(1));

  test('allows a property with the name of a global', () => {
    const text =
      'interface A { Date: string } const b = { process: 1 }; f(a.Date, b.process, a.console.log);';
    expect(purityBreaches(sample('src/machines/job/job.ts', text))).toEqual([]);
  });
});

describe('states and versions', () => {
  test('are named by machines only', () => {
    expect(src.flatMap(stateBreaches)).toEqual([]);
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
    expect(stateBreaches(sample('src/engine/a.ts', text))).toHaveLength(/rests/.test(text) ? 2 : 1);
    expect(stateBreaches(sample('src/machines/a.ts', text))).toEqual([]);
  });

  test.each(["const mode = daemon.mode === 'stopped';", "const top = row.state.split('.')[0];"])(
    'allows %s',
    (text) => {
      expect(stateBreaches(sample('src/engine/a.ts', text))).toEqual([]);
    },
  );
});

describe('the repository', () => {
  test('every dependency is pinned, and every install script is allowed or denied', () => {
    expect(pinBreaches(manifest, lock)).toEqual([]);
    expect(scriptBreaches(manifest, lock)).toEqual([]);
    expect(read('.npmrc')).toMatch(/^ignore-scripts=true$/m);
  });

  test('catches a loose version, another one in the lock file, and an undecided script', () => {
    const packages = { 'node_modules/a': { version: '1.0.1', hasInstallScript: true } };
    const bad = { dependencies: { a: '1.0.0' }, devDependencies: { b: '^1.0.0' }, allowScripts: { c: true } };
    expect(pinBreaches(bad, { packages })).toHaveLength(2);
    expect(scriptBreaches(bad, { packages })).toHaveLength(2);
  });

  test('migrations are numbered', () => {
    const names = filesUnder('migrations').map((path) => basename(path));
    expect(migrationBreaches(names)).toEqual([]);
    expect(migrationBreaches(['0001_log.sql', '0003_views.sql', '0003-x.sql', 'notes.txt'])).toHaveLength(3);
  });

  test('tests run and assert', () => {
    expect(tests.filter((file) => file.path !== 'test/house.test.ts').flatMap(testBreaches)).toEqual([]);
    const lines = [
      "it.skip('a', f); expect(1)",
      "describe.concurrent.only('a', f); expect(1)",
      'vi.fn(); expect(1)',
      "it('a', f)",
      "import { Sshd } from './sshd.ts'; expect(1)",
    ];
    for (const line of lines) expect(testBreaches(sample('test/a.test.ts', line))).toHaveLength(1);
  });

  test('tests in threads use nothing outside the process', () => {
    const sources = new Map([...src, ...tests].map((file) => [file.path, file]));
    expect(tests.flatMap((file) => pureBreaches(file, sources))).toEqual([]);
    const through = new Map([['test/a.ts', sample('test/a.ts', "import ssh2 from 'ssh2';")]]);
    const breaches = (path: string, line: string) => pureBreaches(sample(path, line), through);
    const direct = "import { readFileSync } from 'node:fs';";
    expect(breaches('test/machines/a.test.ts', direct)).toHaveLength(1);
    expect(breaches('test/machines/a.test.ts', "import { a } from '../a.ts';")).toHaveLength(1);
    expect(breaches('test/machines/a.test.ts', "import type { A } from '../a.ts';")).toEqual([]);
    expect(breaches('test/machines/a.outside.test.ts', direct)).toEqual([]);
  });

  test('no file mentions the environment where it was written', () => {
    const words = [join('..', 'shared'), join('/work', 'main'), join('/work', 'shared')];
    const texts = files.filter((path) => !path.endsWith('package-lock.json'));
    expect(texts.flatMap((path) => strayBreaches(path, read(path), words))).toEqual([]);
    expect(strayBreaches('README.md', `see ${words[0]}/x`, words)).toHaveLength(1);
  });
});

describe('the code map in ARCHITECTURE.md', () => {
  test('names every folder, and no missing path', () => {
    expect(mapBreaches(read('ARCHITECTURE.md'), files)).toEqual([]);
    expect(read('ARCHITECTURE.md').split('\n').length).toBeLessThanOrEqual(200);
  });

  test('catches a missing folder and a missing path', () => {
    const have = ['src/engine/engine.ts', 'src/engine/loop/step.ts', 'docs/cli.md'];
    expect(mapBreaches('`src/engine/`, `src/engine/loop/`, `docs/`', have)).toEqual([]);
    expect(mapBreaches('`src/engine/`, `docs/`', have)).toEqual(['add src/engine/loop/']);
    expect(mapBreaches('`src/engine/`, `src/engine/loop/`, `docs/`, `src/old.ts`', have)).toEqual([
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
