import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readCertificates } from '../../../src/adapters/tls/certificates.ts';

const directory = mkdtempSync(join(tmpdir(), 'sos-ci-tls-'));
afterAll(() => rmSync(directory, { recursive: true }));

test('reads the text of the file', async () => {
  const file = join(directory, 'ca.pem');
  writeFileSync(file, '-----BEGIN CERTIFICATE-----\n');
  expect(await readCertificates(file, 'mail.smtp.caFile')).toBe('-----BEGIN CERTIFICATE-----\n');
});

test('reports a missing file as not retryable, with the key to correct', async () => {
  const file = join(directory, 'missing.pem');
  await expect(readCertificates(file, 'gerrit.rest.caFile')).rejects.toMatchObject({
    name: 'OperationError',
    target: file,
    retryable: false,
    hint: 'correct gerrit.rest.caFile, or make the file readable',
  });
});
