/** The operator's files that are sent to a server. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { readScript } from '../../../src/adapters/run/script-snapshot.ts';
import { NEVER } from '../../fixtures/never.ts';

let directory: string;
const program = () => join(directory, 'run.sh');

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'sos-ci-script-'));
  writeFileSync(program(), '#!/bin/sh\n', { mode: 0o755 });
});
afterEach(() => rmSync(directory, { recursive: true }));

const read = (whole = true) =>
  readScript({ program: program(), directory: whole ? directory : null, arguments: [] }, NEVER);

describe('readScript', () => {
  it('reads only the program', async () => {
    writeFileSync(join(directory, 'other'), 'x');
    const { program: started, files } = await read(false);
    expect(started).toBe('run.sh');
    expect(files).toEqual([{ path: 'run.sh', content: Buffer.from('#!/bin/sh\n'), executable: true }]);
  });

  it('reads a directory with its subdirectories, without .git', async () => {
    for (const name of ['lib/deep', '.git']) mkdirSync(join(directory, name), { recursive: true });
    writeFileSync(join(directory, 'lib/deep/data'), Buffer.from([0, 255]));
    writeFileSync(join(directory, '.git/config'), 'token');
    const { files, bytes } = await read();
    expect(files.map(({ path, executable }) => [path, executable])).toEqual([
      ['run.sh', true],
      ['lib/deep/data', false],
    ]);
    expect(bytes).toBe(12);
  });

  it.each<[string, () => void, string]>([
    ['a link', () => symlinkSync('/etc/passwd', join(directory, 'link')), 'is a symbolic link'],
    ['a link to a directory', () => symlinkSync('/etc', join(directory, 'link')), 'is a symbolic link'],
    ['a pipe', () => void execFileSync('mkfifo', [join(directory, 'pipe')]), 'is not a regular file'],
    ['a control character', () => writeFileSync(join(directory, 'a\nb'), ''), 'has a control character'],
    [
      '17 MB',
      () => writeFileSync(join(directory, 'image'), Buffer.alloc(17 * 1024 ** 2)),
      'larger than 16 MB',
    ],
    ['too many files', () => fill(1000), 'contains more than 1000 files'],
    ['no program', () => rmSync(program()), 'does not exist'],
  ])('refuses %s', async (_what, prepare, why) => {
    prepare();
    await expect(read()).rejects.toMatchObject({
      name: 'OperationError',
      operation: 'read script',
      retryable: false,
      message: expect.stringContaining(why),
    });
  });

  it('refuses a program that is a link when it is sent alone', async () => {
    rmSync(program());
    symlinkSync('/bin/true', program());
    await expect(read(false)).rejects.toThrow('is a symbolic link');
  });

  it('reads a consistent state during an edit', async () => {
    fill(300);
    chmodSync(program(), 0o755);
    const reading = read();
    appendFileSync(program(), 'echo new\n');
    writeFileSync(join(directory, 'added'), 'new');
    const { files } = await reading;
    const content = files.find(({ path }) => path === 'run.sh')?.content.toString();
    expect([content, files.some(({ path }) => path === 'added')]).toEqual(['#!/bin/sh\necho new\n', true]);
  });
});

function fill(files: number): void {
  for (let number = 0; number < files; number += 1) writeFileSync(join(directory, `f${number}`), '');
}
