/** The last line that a stage printed, from every kind of log, without secrets and terminal codes. */
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lastLine } from '../../../../src/adapters/evidence/collect/last-line.ts';
import { SecretSet } from '../../../../src/adapters/evidence/redact/redact.ts';

const secrets = new SecretSet(['correct horse battery']);
let runs: string;
beforeEach(async () => {
  runs = await mkdtemp(join(tmpdir(), 'sos-ci-last-line-'));
  await mkdir(join(runs, 'stacking'));
});
afterEach(() => rm(runs, { recursive: true, force: true }));

async function lastLineOf(log: string | Buffer): Promise<string | null> {
  await writeFile(join(runs, 'stacking', 'log'), log);
  return lastLine(runs, 'stacking', secrets);
}

describe('the last line', () => {
  test.each([
    ['of plain lines', 'one\ntwo\n', 'two'],
    ['without a line end', 'one\ntwo', 'two'],
    ['before empty lines and rulers', 'E: no such package\n\n  \n-----\n', 'E: no such package'],
    ['before the runner\u2019s own note', 'oops\n[sos-ci: the command ended; a process waits]\n', 'oops'],
    ['of a progress bar', 'get\r10%\r20%\rfailed\r\n', 'failed'],
    ['in colours', '\u001b[1;31merror\u001b[0m: \u001b]0;title\u0007no\n', 'error: no'],
    [
      'with a secret',
      'login --password "correct horse battery" failed\n',
      'login --password "[redacted]" failed',
    ],
    ['with a secret at its end', 'the password is correct horse battery', 'the password is [redacted]'],
    ['with a secret that nobody named', 'san_password = k3fjw8s9\n', 'san_password = [redacted]'],
    [
      'with a secret that only an earlier line names',
      `+ export OS_PASSWORD=k3fjw8s9\n${'x\n'.repeat(20_000)}curl -u admin k3fjw8s9: refused\n`,
      'curl -u admin [redacted]: refused',
    ],
    ['of a long log', `${'x\n'.repeat(100_000)}the end\n`, 'the end'],
    ['that is long', 'y'.repeat(10_000), `${'y'.repeat(197)}...`],
  ])('%s', async (_, log, line) => {
    expect(await lastLineOf(log)).toBe(line);
  });

  test.each([
    ['an empty log', ''],
    ['a log of empty lines', '\n \n'],
    [
      'a last line too long to read from its start, because it may contain part of a secret',
      `x\n${'y'.repeat(300_000)}`,
    ],
    ['output that ends anywhere', 'one\npassword is corr\n[sos-ci: output past 512 bytes was dropped]\n'],
    ['output that could not be kept', 'a\n[sos-ci: output was dropped: the log cannot be written]\n'],
  ])('is unknown for %s', async (_, log) => {
    expect(await lastLineOf(log)).toBeNull();
  });

  test('is unknown without a log, and links are not followed', async () => {
    expect(await lastLine(runs, 'stacking', secrets)).toBeNull();
    expect(await lastLine(join(runs, 'none'), 'testing', secrets)).toBeNull();
    await symlink('/etc/hostname', join(runs, 'stacking', 'log'));
    expect(await lastLine(runs, 'stacking', secrets)).toBeNull();
  });

  test('of binary data is printable', async () => {
    expect(await lastLineOf(Buffer.from([0x61, 0xff, 0x00, 0x62, 0x0a]))).toBe('a\ufffdb');
  });
});
