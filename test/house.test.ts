/**
 * The house rules, each twice: no file breaks it, and a file made to break it is caught.
 */
import { readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { importBreaches } from './house/imports.ts';
import {
  mapBreaches,
  migrationBreaches,
  mirrorBreaches,
  pinBreaches,
  scriptBreaches,
  strayBreaches,
  testBreaches,
} from './house/repository.ts';
import { filesUnder, importsOf, ROOT, source, sourcesUnder } from './house/source.ts';
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

/** One line of code as a file of the house. */
const sample = (path: string, text: string) => source(path, text);

describe('the import table', () => {
  test('holds', () => {
    expect(src.length).toBeGreaterThan(0);
    expect(src.flatMap(importBreaches)).toEqual([]);
  });

  test.each([
    ['src/machines/job.ts', "import { readFile } from 'node:fs';"],
    ['src/machines/job.ts', "import type { Store } from '../engine/store.ts';"],
    ['src/machines/job.ts', "const fs = await import('node:fs');"],
    ['src/machines/job.ts', 'const module = await import(name);'],
    ['src/machines/job.ts', "import { OperationError } from '../errors.ts';"],
    ['src/engine/engine.ts', "import { openStore } from '../adapters/sqlite/store.ts';"],
    ['src/engine/engine.ts', "type S = import('../adapters/sqlite/store.ts').Store;"],
    ['src/engine/engine.ts', "import { setup } from 'xstate';"],
    ['src/adapters/logs/write.ts', "import { Client } from '../gerrit/connection.ts';"],
    ['src/adapters/run/runner-file.ts', "import { readPrivateKey } from '../openssh/key-file.ts';"],
    ['src/adapters/logs/write.ts', "import { Engine } from '../../engine/engine.ts';"],
    ['src/adapters/logs/write.ts', "import { transition } from '../../machines/job.ts';"],
    ['src/adapters/logs/write.ts', "import { defaults, type Config } from '../../config/config.ts';"],
    ['src/adapters/logs/write.ts', "import ssh2 from 'ssh2';"],
    ['src/config/load.ts', "import { GerritStream } from '../adapters/gerrit/stream.ts';"],
    ['src/config/check.ts', "import { RE2JS } from 're2js';"],
    ['src/config/check.ts', "import { decide } from '../machines/trigger.ts';"],
    ['src/cli/status.ts', "import { runDaemon } from '../daemon.ts';"],
    ['src/cli/status.ts', "import { openStore } from '../adapters/sqlite/store.ts';"],
    ['src/cli/status.ts', "import { backUp } from '../adapters/sqlite/backup.ts';"],
    ['src/cli/status.ts', "import { Command } from 'commander';"],
    ['src/cli/run.ts', "import { demo } from '../demo/demo.ts';"],
    ['src/demo/demo.ts', "import { main } from '../cli/main.ts';"],
    ['src/daemon.ts', "export { demo } from './demo/demo.ts';"],
    ['src/errors.ts', "import { log } from './log.ts';"],
    ['src/daemon.ts', "import lodash from 'lodash';"],
    ['src/daemon.ts', "const { z } = require('zod');"],
    ['src/attic/old.ts', ''],
  ])('catches %s: %s', (path, text) => {
    expect(importBreaches(sample(path, text))).toHaveLength(1);
  });

  test.each([
    ['src/adapters/gerrit/stream.ts', "import type { GerritConfig } from '../../config/config.ts';"],
    ['src/adapters/gerrit/stream.ts', "import { Subject } from 'rxjs';"],
    ['src/adapters/local/launch.ts', "import { RUNNER } from '../run/runner-file.ts';"],
    ['src/cli/daemon.ts', "import { runDaemon } from '../daemon.ts';"],
    ['src/config/check.ts', "import { patternProblem } from '../machines/rules/pattern.ts';"],
    ['src/demo/gerrit/server.ts', "import ssh2 from 'ssh2';"],
  ])('lets %s: %s', (path, text) => {
    expect(importBreaches(sample(path, text))).toEqual([]);
  });

  test('sees every way to import', () => {
    const text = "import 'a'; export * from 'b'; type C = import('c').C; await import('d'); require('e');";
    expect(importsOf(sample('src/daemon.ts', text)).map(({ target }) => target)).toEqual([...'abcde']);
  });
});

describe('lengths', () => {
  test('no file and no function is too long', () => {
    expect(
      [...src, ...tests, ...bench].flatMap((file) => lengthBreaches(file, file.path.startsWith('src/'))),
    ).toEqual([]);
  });

  test('a long file is caught', () => {
    const [fits, tooLong] = [LONGEST_FILE, LONGEST_FILE + 1].map((lines) =>
      sample('src/a.ts', 'f();\n'.repeat(lines)),
    );
    expect([fits, tooLong].map((file) => file && lengthBreaches(file, true).length)).toEqual([0, 1]);
  });

  test.each(['function f() {', 'const f = () => {', 'class A { f() {', 'const f = function () {'])(
    'a long %s is caught',
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
  test('names say what a file is', () => {
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

  test('every file opens with a paragraph about itself', () => {
    expect([...src, ...bench].flatMap(paragraphBreaches)).toEqual([]);
    expect(paragraphBreaches(sample('src/a.ts', "import { b } from './b.ts';\n"))).toHaveLength(1);
    expect(paragraphBreaches(sample('src/a.ts', '/** A file. */\n'))).toHaveLength(1);
  });

  test('nothing goes around the compiler', () => {
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

  test('machines are pure, the engine asks its clock, only people see the console', () => {
    expect(src.flatMap(purityBreaches)).toEqual([]);
  });

  test.each([
    ['src/machines/job.ts', 'const now = Date.now();'],
    ['src/machines/job.ts', 'const at = new Date(0);'],
    ['src/machines/job.ts', 'const { random } = Math; const id = Math.random();'],
    ['src/machines/job.ts', 'setTimeout(f, 1);'],
    ['src/machines/job.ts', 'console.log(1);'],
    ['src/machines/job.ts', 'const a = { process };'],
    ['src/engine/engine.ts', 'const now = Date.now();'],
    ['src/engine/engine.ts', 'const now = new Date();'],
    ['src/engine/engine.ts', 'const signal = AbortSignal.timeout(5);'],
    ['src/adapters/local/run.ts', 'console.error(1);'],
  ])('catches %s: %s', (path, text) => {
    expect(purityBreaches(sample(path, text))).toHaveLength(1);
  });

  test('timers are those of one file', () => {
    expect(src.flatMap(timerBreaches)).toEqual([]);
  });

  test.each([
    'setTimeout(f, 1);',
    'const timer = setInterval(f, 1);',
    "import { setTimeout as pause } from 'node:timers/promises';",
  ])('catches %s', (text) => expect(timerBreaches(sample('src/adapters/local/a.ts', text))).toHaveLength(1));

  test('a property that is called like a clock is no clock', () => {
    const text =
      'interface A { Date: string } const b = { process: 1 }; f(a.Date, b.process, a.console.log);';
    expect(purityBreaches(sample('src/machines/job.ts', text))).toEqual([]);
  });
});

describe('the repository', () => {
  test('every dependency is pinned, and every install script is decided on', () => {
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

  test('tests mirror the sources', () => {
    expect(
      files.filter((path) => path.startsWith('test/')).flatMap((path) => mirrorBreaches(path, files)),
    ).toEqual([]);
    const have = ['src/engine/timers.ts', 'src/machines/job/setup.ts', 'scripts/tally.mjs'];
    const good = [
      'test/engine/timers.test.ts',
      'test/engine/timers.late.test.ts',
      'test/scripts/tally.test.ts',
    ];
    expect([...good, 'test/machines/job.test.ts'].flatMap((path) => mirrorBreaches(path, have))).toEqual([]);
    expect(mirrorBreaches('test/engine/gone.test.ts', have)).toHaveLength(1);
  });

  test('tests run and assert', () => {
    expect(tests.filter((file) => file.path !== 'test/house.test.ts').flatMap(testBreaches)).toEqual([]);
    const lines = [
      "it.skip('a', f); expect(1)",
      "describe.concurrent.only('a', f); expect(1)",
      'vi.fn(); expect(1)',
      "it('a', f)",
    ];
    for (const line of lines) expect(testBreaches(sample('test/a.test.ts', line))).toHaveLength(1);
  });

  test('no file speaks of the place where it was written', () => {
    const words = [join('..', 'shared'), join('/work', 'main'), join('/work', 'shared')];
    const texts = files.filter((path) => !path.endsWith('package-lock.json'));
    expect(texts.flatMap((path) => strayBreaches(path, read(path), words))).toEqual([]);
    expect(strayBreaches('README.md', `see ${words[0]}/x`, words)).toHaveLength(1);
  });
});

describe('the map in ARCHITECTURE.md', () => {
  test('is complete and true', () => {
    expect(mapBreaches(read('ARCHITECTURE.md'), mapped(), paragraphOf)).toEqual([]);
  });

  test('catches a missing line, a dead one and a double one', () => {
    const line = (path: string) => `- \`${path}\`: text\n`;
    const map = (...paths: string[]) =>
      `# A\n\n## Map\n\n${paths.map(line).join('')}\n## Next\n\n${line('src/c.ts')}`;
    const breaches = (...paths: string[]) =>
      mapBreaches(map(...paths), ['src/a.ts', 'src/b.ts'], () => 'what it is');
    expect(breaches('src/a.ts', 'src/b.ts')).toEqual([]);
    expect(breaches('src/a.ts')).toEqual(['add    - `src/b.ts`: what it is']);
    expect(breaches('src/a.ts', 'src/b.ts', 'src/x.ts')).toEqual(['remove - `src/x.ts`']);
    expect(breaches('src/a.ts', 'src/a.ts', 'src/b.ts')).toEqual(['twice  - `src/a.ts`']);
  });
});

/** Every file and folder of the sources, and the folders of the tests. */
function mapped(): string[] {
  const listed = files.filter((path) => /^(src|scripts|bench|migrations|docs|\.ci)\//.test(path));
  const inside = files.filter((path) =>
    /^(src|scripts|bench|migrations|docs|\.ci|test|ansible)\//.test(path),
  );
  const folders = inside.flatMap((path) => ancestors(path)).filter((path) => !/^test\/.+\/.+\//.test(path));
  return [...new Set([...listed, ...folders])].sort();
}

function ancestors(path: string): string[] {
  const folder = dirname(path);
  return folder === '.' ? [] : [`${folder}/`, ...ancestors(folder)];
}

/** The first sentence of a file's own paragraph. */
function paragraphOf(path: string): string {
  if (path.endsWith('/')) return 'what is in this folder';
  const text = read(path)
    .replace(/^#!.*\n/, '')
    .replace(/^(\/\*\*|--|#)/, '')
    .slice(0, 600);
  return (
    text
      .replace(/\s*\n\s*(\*|--|#)?\/?\s*/g, ' ')
      .trim()
      .split(/\. |\*\//)[0] ?? ''
  );
}
