/** The lab's own CA certificates, for TLS connections to Gerrit's REST API, OpenStack and a mail server. */
import { readFile } from 'node:fs/promises';
import { OperationError } from '../../errors.ts';

/** The text of a file in PEM. `key` is the configuration key that names it. @throws OperationError */
export async function readCertificates(file: string, key: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new OperationError({
      operation: 'read certificates',
      target: file,
      message: `${file} cannot be read`,
      retryable: false,
      hint: `correct ${key}, or make the file readable`,
      cause: error,
    });
  }
}
