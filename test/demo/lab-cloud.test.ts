/** The programs of this host that the OpenStack scene uses, and its behaviour without them. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findLabPrograms } from '../../src/demo/lab-cloud.ts';
import { NEVER } from '../fixtures/never.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(path.join(tmpdir(), 'sos-ci-programs-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('skips the scene without sshd', async () => {
  expect(await find()).toBeNull();
});

test('uses a script without Ansible, and reports how to install it', async () => {
  program('sshd', '');
  const found = await find();
  expect(found?.sshd).toBe(path.join(directory, 'sshd'));
  expect(found?.ansible).toEqual({
    why: `the program ansible-playbook is not installed (node main.js setup ansible --state ${path.resolve('state')})`,
  });
});

test('uses a script if Ansible is too old for the collection', async () => {
  program('sshd', '');
  program('ansible-playbook', 'echo "ansible-playbook [core 2.14.3]"');
  const why = expect.stringContaining('ansible-core 2.14.3 is older than 2.16');
  expect(await find()).toMatchObject({ ansible: { why } });
});

test('uses a playbook with a current Ansible', async () => {
  program('sshd', '');
  program('ansible-playbook', 'echo "ansible-playbook [core 2.19.1]"');
  expect(await find()).toMatchObject({ ansible: { program: path.join(directory, 'ansible-playbook') } });
});

function find() {
  return findLabPrograms('main.js', NEVER, [directory, 'relative']);
}

function program(name: string, text: string): void {
  const file = path.join(directory, name);
  writeFileSync(file, `#!/bin/sh\n${text}\n`);
  chmodSync(file, 0o755);
}
