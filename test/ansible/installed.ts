/** Installs the collection of this checkout into a directory for one test file, and runs programs that use it. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect } from 'vitest';
import { findProgram } from '../fixtures/programs.ts';

const SOURCE = new URL('../../ansible', import.meta.url).pathname;
export const TIMEOUT = 600_000;

export class Installed {
  readonly scratch = mkdtempSync(join(tmpdir(), 'collection-'));
  readonly #collections = join(this.scratch, 'collections');
  /** The installed collection. */
  readonly collection = join(this.#collections, 'ansible_collections', 'sos_ci', 'openstack');
  readonly options = {
    cwd: this.scratch,
    encoding: 'utf8',
    timeout: TIMEOUT,
    maxBuffer: 16 * 1024 ** 2,
    env: {
      PATH: `${process.env.PATH}:${dirname(findProgram('ansible-playbook') ?? '/bin/x')}`,
      HOME: this.scratch,
      LC_ALL: 'C.UTF-8',
      ANSIBLE_PIPELINING: '1',
      NO_COLOR: '1',
      ANSIBLE_NOCOLOR: '1',
      ANSIBLE_HOME: join(this.scratch, 'home'),
      ANSIBLE_COLLECTIONS_PATH: this.#collections,
      ANSIBLE_LOCALHOST_WARNING: 'False',
      ANSIBLE_DEPRECATION_WARNINGS: 'False',
    },
  } as const;

  /** Installs before the tests of a file, and removes everything after them. */
  constructor() {
    beforeAll(() => {
      if (findProgram('ansible-galaxy') === null) return;
      const args = ['collection', 'install', '--no-deps', '-p', this.#collections, SOURCE];
      const { status, output } = this.run('ansible-galaxy', args);
      expect(status, output).toBe(0);
    }, TIMEOUT);
    afterAll(() => rmSync(this.scratch, { recursive: true, force: true }));
  }

  run(
    program: 'ansible-galaxy' | 'ansible-lint' | 'ansible-playbook',
    args: readonly string[],
    cwd: string = this.scratch,
  ) {
    const { status, stdout, stderr } = spawnSync(findProgram(program) ?? program, args, {
      ...this.options,
      cwd,
    });
    return { status, output: `${stdout}${stderr}` };
  }
}
