import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect } from 'vitest';
import { runDemo } from '../../src/demo/demo.ts';
import { needs } from '../fixtures/needs.ts';

const { test } = needs('git');

let directory: string;
let shown: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-program-'));
  shown = '';
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

describe('a demo that cannot finish', () => {
  test('reports it at once, shows the log, keeps the directory, and exits with 1', async () => {
    const program = path.join(directory, 'main.mjs');
    writeFileSync(
      program,
      "console.log('no license for', process.argv.slice(2, 4).join(' '));process.exit(3);\n",
    );
    expect(await demo(program)).toBe(1);
    expect(shown).toContain('NOT TRUE    the demo runs to its end\n');
    expect(shown).toContain('observed instead: the daemon ended unexpectedly with exit code 3\n');
    expect(shown).toContain('no license for daemon --config\n');
    const left = /kept for inspection: (\S+)/.exec(shown)?.[1] ?? '';
    expect(path.basename(left)).toMatch(/^sos-ci-demo-/);
    expect(existsSync(path.join(left, 'sos-ci.yaml'))).toBe(true);
    rmSync(left, { recursive: true });
  });

  test('because a program is missing names it, and creates nothing', async () => {
    const { PATH } = process.env;
    process.env.PATH = directory;
    const exit = await demo('unused').finally(() => {
      process.env.PATH = PATH;
    });
    expect(exit).toBe(1);
    expect(shown).toBe(
      '   The demo needs Linux with git, an ssh client and util-linux; missing: git, ssh, sh, flock, setsid\n',
    );
  });
});

function demo(program: string): Promise<number> {
  return runDemo({
    keep: false,
    color: false,
    program,
    out: (text) => {
      shown += text;
    },
  });
}
