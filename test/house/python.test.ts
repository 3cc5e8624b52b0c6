/** The programs from PyPI that tests use. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { needs } from '../fixtures/needs.ts';
import { findProgram } from '../fixtures/programs.ts';

const LINES = readFileSync(new URL('../fixtures/python-requirements.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'));

it('pins each package to one version', () => {
  for (const line of LINES) expect(line).toMatch(/^[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*$/);
  expect(new Set(LINES.map((line) => line.split('==')[0]?.toLowerCase())).size).toBe(LINES.length);
});

needs('ansible-playbook').it('runs the pinned Ansible', () => {
  const pinned = LINES.find((line) => line.startsWith('ansible-core=='))?.split('==')[1];
  const { stdout } = spawnSync(findProgram('ansible-playbook') ?? '', ['--version'], {
    encoding: 'utf8',
    timeout: 60_000,
  });
  expect(stdout).toMatch(`ansible-playbook [core ${pinned}]`);
});
