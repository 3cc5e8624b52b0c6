/**
 * `sos-ci init`: from a few answers to a configuration that passes its check, keys, and a pinned host key. Nothing that is
 * there is ever overwritten, and no host key is trusted without a person's word for its fingerprint.
 */
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Beginning, beginning, type ShownKey } from '../beginning.ts';
import { pathResolver } from '../config/build.ts';
import { type FirstAnswers, firstConfig } from '../config/first.ts';
import { loadConfig } from '../config/load.ts';
import { plainText } from '../plain-text.ts';
import type { Asking } from './ask.ts';
import { CliError, EXIT } from './exit.ts';
import { firstAnswers, type InitFlags } from './init-answers.ts';
import type { Io } from './io.ts';

/** Exit code 1: all is written, but the host key is not pinned. */
export async function initCommand(
  io: Io,
  file: string,
  flags: InitFlags,
  asking: Asking | null,
  outside: Beginning = beginning(),
): Promise<number> {
  if (existsSync(file)) {
    throw new CliError(
      EXIT.usage,
      `${file} is there already; init never overwrites`,
      'name another one with --config FILE',
    );
  }
  const answers = await firstAnswers(flags, asking);
  const path = pathResolver(resolve(file));
  mkdirSync(dirname(resolve(file)), { recursive: true });
  const gerritKey = await keyIn(path(answers.keyFile), answers.user, outside);
  const nodeKey =
    answers.node === null ? null : await keyIn(path(answers.node.keyFile), `${answers.user}-node`, outside);
  writeFileSync(file, firstConfig(answers), { flag: 'wx', mode: 0o644 });
  loadConfig(file);
  const pinned = await pinHostKey(io, answers, path(answers.knownHostsFile), flags, asking, outside);
  tellNext(io, file, answers, gerritKey, nodeKey, pinned);
  return pinned ? EXIT.ok : EXIT.negative;
}

/** The public half of the key in this file: of the one that is there, or of a new one. */
async function keyIn(file: string, name: string, outside: Beginning): Promise<string> {
  if (existsSync(file)) return outside.publicHalf(file);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  return outside.makeKey(file, `${name} (sos-ci)`);
}

async function pinHostKey(
  io: Io,
  { host, port }: FirstAnswers,
  file: string,
  { acceptHostKey }: InitFlags,
  asking: Asking | null,
  outside: Beginning,
): Promise<boolean> {
  let shown: ShownKey;
  try {
    shown = await outside.hostKey({ host, port });
  } catch (thrown) {
    if (!(thrown instanceof Error) || thrown.name !== 'OperationError') throw thrown;
    io.err(`${plainText(thrown.message)}\n`);
    return false;
  }
  io.err(`${plainText(host)}:${port} shows this host key:\n  ${shown.type} ${shown.fingerprint}\n`);
  if (!(await isAccepted(shown, acceptHostKey, asking, io))) return false;
  const done = outside.pin(file, { host, port }, shown.key);
  io.err(done === 'known' ? `${plainText(file)} knows it already\n` : `pinned in ${plainText(file)}\n`);
  return true;
}

async function isAccepted(
  { fingerprint }: ShownKey,
  accepted: string | undefined,
  asking: Asking | null,
  io: Io,
): Promise<boolean> {
  if (accepted === fingerprint) return true;
  if (accepted !== undefined) {
    io.err(
      `That is not the one of --accept-host-key ${plainText(accepted)}: do not connect before you know why.\n`,
    );
    return false;
  }
  if (asking === null) return false;
  const answer = await asking.ask("Is that what the server's operator says? Type yes to trust it: ");
  return answer === 'yes';
}

function tellNext(
  io: Io,
  file: string,
  { host, port, user, node, knownHostsFile }: FirstAnswers,
  gerritKey: string,
  nodeKey: string | null,
  pinned: boolean,
): void {
  const steps = [
    `add this SSH key to the account ${user} (https://${host}/settings/#SSHKeys):\n     ${gerritKey}`,
    ...(nodeKey === null
      ? []
      : [`add this one to ~/.ssh/authorized_keys of ${node?.user}@${node?.host}:\n     ${nodeKey}`]),
    ...(pinned
      ? []
      : [
          `compare the host key's fingerprint with what the operator of ${host} says, then pin it:\n     ssh-keyscan -p ${port} ${host} >> ${knownHostsFile}   (in the folder of ${file})`,
        ]),
    'sos-ci doctor                what is still missing, and how to mend it',
    'sos-ci daemon --no-report    all of it but the posts',
    'sos-ci daemon',
  ];
  io.out(`${plainText(file)} is written. Next:\n`);
  for (const [index, step] of steps.entries()) {
    const lines = step.split('\n').map((line) => plainText(line));
    io.out(`  ${index + 1}. ${lines.join('\n')}\n`);
  }
}
