/** The error for a host key that is not accepted. */
import { OperationError } from '../../errors.ts';
import { fingerprint, type HostKeyJudgement, type KnownHost, keyType, SSH_PORT } from './known-hosts.ts';

/** Contains everything that an operator needs to decide whether it is an attack or a new key. */
export function hostKeyError(
  known: KnownHost,
  presented: Buffer,
  judgement: Exclude<HostKeyJudgement, 'known'>,
): OperationError {
  const { file, host, port } = known;
  const shown = `${keyType(presented) ?? 'a key'} ${fingerprint(presented)}`;
  const expected = known.keys
    .map((key) => `${key.type} ${fingerprint(key.blob)} (line ${key.line})`)
    .join(', ');
  const name = port === SSH_PORT ? host : `[${host}]:${port}`;
  const scan = `ssh-keyscan -p ${port} ${shellWord(host)} >> ${shellWord(file)}`;
  const compare = "compare the fingerprint with the server's operator";
  const text = {
    unknown: {
      message: `the host key of ${name} is not in ${file}; the server shows ${shown}`,
      hint: `${compare}, then: ${scan}`,
    },
    changed: {
      message: `the host key of ${name} is not the one in ${file}; the server shows ${shown}, known is ${expected}`,
      hint: `this may be an attack: ${compare}; if it is correct: ssh-keygen -R ${shellWord(name)} -f ${shellWord(file)} && ${scan}`,
    },
    revoked: {
      message: `the host key of ${name} is marked @revoked in ${file}; the server shows ${shown}`,
      hint: `do not connect: ask the server's operator for its new key, ${compare}, then: ${scan}`,
    },
  }[judgement];
  return new OperationError({
    operation: 'verify host key',
    target: `${host}:${port}`,
    retryable: false,
    ...text,
  });
}

/** Quotes a word of a command line that an operator may copy. */
function shellWord(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
