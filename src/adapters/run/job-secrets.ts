/**
 * The secrets of a job, read when a stage starts. A value that evidence and logs do not redact yet, because it has
 * changed since the configuration was read, is refused.
 */
import { constants } from 'node:fs';
import { open } from 'node:fs/promises';
import { OperationError } from '../../errors.ts';
import type { SecretValues } from '../../log.ts';
import type { SecretSource } from '../../machines/model/domain.ts';
import { secretValues } from '../../machines/model/secret-values.ts';
import { fileError } from './fs-error.ts';

/** The environment variable that names the directory of the secrets on the server. */
export const SECRETS_VARIABLE = 'SOS_CI_SECRETS';

export interface JobSecret {
  readonly name: string;
  readonly content: Buffer;
}

/** The configuration accepts no more. */
const LIMIT_BYTES = 64 * 1024;

export async function readJobSecrets(
  sources: readonly SecretSource[],
  redacted: SecretValues,
): Promise<readonly JobSecret[]> {
  const known = new Set(redacted.values);
  const secrets: JobSecret[] = [];
  for (const { name, file, env } of sources) {
    const content = file === null ? fromEnvironment(env ?? '') : await readSecret(file);
    const values = secretValues(content.toString('utf8'));
    if (values.length === 0 || values.some((value) => !known.has(value)))
      throw secretError(
        file ?? `environment variable ${env}`,
        'has changed since the configuration was read',
        'sos-ci reload',
      );
    secrets.push({ name, content });
  }
  return secrets;
}

function fromEnvironment(name: string): Buffer {
  const value = process.env[name] ?? '';
  if (value === '') throw secretError(`environment variable ${name}`, 'is not set', 'set it for the daemon');
  return Buffer.from(value, 'utf8');
}

async function readSecret(file: string): Promise<Buffer> {
  try {
    const handle = await open(file, constants.O_RDONLY | constants.O_NONBLOCK);
    try {
      const found = await handle.stat();
      if (!found.isFile() || found.size > LIMIT_BYTES)
        throw secretError(
          file,
          'is not a regular file of at most 64 KB',
          'use a file that contains only the secret',
        );
      return (await handle.read(Buffer.alloc(found.size), 0, found.size, 0)).buffer;
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw fileError(
      'read secret',
      file,
      error,
      "let the daemon's user read this file, or correct secrets in the configuration",
    );
  }
}

function secretError(target: string, what: string, hint: string): OperationError {
  return new OperationError({
    operation: 'read secret',
    target,
    message: `${target} ${what}`,
    retryable: false,
    hint,
  });
}
