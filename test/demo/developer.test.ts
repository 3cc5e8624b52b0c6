import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect } from 'vitest';
import { Developer } from '../../src/demo/developer.ts';
import { gitEnvironment } from '../../src/demo/gerrit/repository.ts';
import { needs } from '../fixtures/needs.ts';
import { EmbeddedFixture } from './gerrit/embedded-fixture.ts';

const { test } = needs('git', 'ssh');

let fixture: EmbeddedFixture;
let developer: Developer;
const files = { 'a.txt': 'a\n', 'run.sh': '#!/bin/sh\n' };
beforeEach(async () => {
  fixture = await new EmbeddedFixture().open();
  await fixture.gerrit.createProject('demo', files);
  // A home directory with blanks and quotes in its name, as temporary directories may have.
  const home = path.join(fixture.directory, "o'my home");
  mkdirSync(home);
  developer = new Developer(
    {
      directory: path.join(home, 'demo'),
      url: fixture.url('demo'),
      keyFile: fixture.keyFile('dev'),
      knownHostsFile: path.join(fixture.directory, 'known_hosts'),
    },
    files,
  );
  await developer.clone();
});
afterEach(() => fixture.close());

test('pushes changes that do not depend on each other, each with a Change-Id', async () => {
  await developer.push({ subject: 'One', edit: (all) => ({ 'a.txt': `${all['a.txt']}b\n` }) });
  await developer.push({ subject: 'Two', edit: () => ({ 'a.txt': 'c\n' }) });
  const [one, two] = [fixture.gerrit.change(1), fixture.gerrit.change(2)];
  expect([one.commitMessage, two.commitMessage]).toEqual([
    `One\n\nChange-Id: ${one.id}\n`,
    `Two\n\nChange-Id: ${two.id}\n`,
  ]);
  expect(one.patchsets[0]?.parents).toEqual(two.patchsets[0]?.parents);
});

test('leaves a clone that can be used by hand', async () => {
  const git = async (...argv: string[]): Promise<string> =>
    (await promisify(execFile)('git', argv, { cwd: developer.directory, env: gitEnvironment() })).stdout;
  await developer.resetToBranch();
  await git('commit', '--quiet', '--allow-empty', '-m', 'Mine');
  const id = /Change-Id: I[0-9a-f]{40}/.exec(await git('show', '-s', '--format=%B'))?.[0];
  await git('commit', '--quiet', '--allow-empty', '--amend', '-m', `Mine again\n\n${id}`);
  expect((await git('show', '-s', '--format=%B')).match(/Change-Id/g)).toHaveLength(1);
  await git('push', '--quiet');
  expect(fixture.gerrit.change(1).owner.username).toBe('dev');
});

test("reports git's error message", async () => {
  fixture.gerrit.refuseConnections();
  const change = { subject: 'One', edit: () => ({ 'a.txt': 'b\n' }) };
  await expect(developer.push(change)).rejects.toThrow(/git push exited \d+: .*Connection refused/s);
});
