/**
 * `sos-ci init`: turns a few answers into a valid configuration, keys and pinned host keys. Never overwrites a file, and
 * never trusts a host key whose fingerprint the operator has not confirmed.
 */
import { closeSync, existsSync, fsyncSync, linkSync, mkdirSync, openSync, rmSync, writeSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import {
  type HostKey,
  type KeyOwner,
  type KeyProvisioner,
  keyProvisioner,
} from '../../app/provision-keys.ts';
import { pathResolver } from '../../config/build.ts';
import { entryName } from '../../config/fields/validators.ts';
import { type InitAnswers, initConfig, namesVariable } from '../../config/file/init-template.ts';
import { jobFromZuul } from '../../config/file/zuul-job.ts';
import { loadConfig } from '../../config/load.ts';
import { errorText, OperationError } from '../../errors.ts';
import { plainLines, plainText } from '../../terminal-text.ts';
import type { Prompt } from '../input/prompt.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { Io } from '../output/terminal.ts';
import { type InitFlags, OPENDEV, readAnswers } from './init-answers.ts';

const NAME = 'sos-ci.yaml';

/** Exit code 1: everything is written, but a host key is not pinned. */
export async function initCommand(
  io: Io,
  dir: string,
  flags: InitFlags,
  prompt: Prompt | null,
  keys: KeyProvisioner = keyProvisioner(),
): Promise<number> {
  const file = join(resolve(dir), NAME);
  if (existsSync(file)) throw configExists(file);
  const answers = await readAnswers(dir, flags, prompt);
  const path = pathResolver(file);
  mkdirSync(dirname(file), { recursive: true });
  const gerritKey = await ensureKey(path(answers.keyFile), answers.user, 'gerrit account', keys);
  const nodeKey =
    answers.node.kind === 'local'
      ? null
      : await ensureKey(path(answers.node.keyFile), `${answers.user}-node`, 'nodes', keys);
  writeConfig(file, initConfig(answers));
  io.err(`Wrote ${plainText(file)}.\n`);
  const unpinned: Unpinned[] = [];
  for (const target of hostKeyTargets(answers, flags)) {
    const unpinnedKey = await pinHostKey(io, target, path(answers.knownHostsFile), prompt, keys);
    if (unpinnedKey !== null) unpinned.push(unpinnedKey);
  }
  printNextSteps(io, resolve(dir) === process.cwd() ? null : dir, answers, { gerritKey, nodeKey, unpinned });
  if (unpinned.length === 0) return EXIT.ok;
  io.err('Everything is written. Exit code 1 only says that a host key is not pinned yet.\n');
  return EXIT.negative;
}

/** The public key of this file; creates the key if the file is missing. */
async function ensureKey(file: string, name: string, owner: KeyOwner, keys: KeyProvisioner): Promise<string> {
  if (!existsSync(file)) {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    await keys.makeKey(file, `${name} (sos-ci)`);
  }
  return keys.publicKey(file, owner);
}

/** Checks the file before linking it to its name, and never replaces another one. */
function writeConfig(file: string, text: string): void {
  const temporaryFile = join(dirname(file), `.${NAME}.${process.pid}`);
  try {
    const handle = openSync(temporaryFile, 'wx', 0o644);
    try {
      writeSync(handle, text);
      fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    loadConfig(temporaryFile);
    linkSync(temporaryFile, file);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw configExists(file);
    if (code === undefined) throw error;
    throw new CliError(EXIT.refused, `${file}: ${errorText(error)}`, 'check that its directory is writable');
  } finally {
    rmSync(temporaryFile, { force: true });
  }
}

function configExists(file: string): CliError {
  return new CliError(
    EXIT.usage,
    `${file} exists; init never overwrites a file`,
    'move it out of the way, or name another directory: sos-ci init DIR',
  );
}

/** A server whose host key the operator has to compare. */
interface HostKeyTarget {
  readonly host: string;
  readonly port: number;
  /** The fingerprint that the operator has already compared. */
  readonly accepted: string | undefined;
  readonly flag: string;
}

/** A server whose host key was not accepted. */
interface Unpinned {
  readonly target: HostKeyTarget;
  /** Null: the server did not respond. */
  readonly shown: HostKey | null;
}

function hostKeyTargets({ host, port, node }: InitAnswers, flags: InitFlags): readonly HostKeyTarget[] {
  const gerrit = { host, port, accepted: flags.acceptHostKey, flag: '--accept-host-key' };
  if (node.kind !== 'static') return [gerrit];
  const accepted = flags.acceptNodeKey;
  return [gerrit, { host: node.host, port: node.port, accepted, flag: '--accept-node-key' }];
}

async function pinHostKey(
  io: Io,
  target: HostKeyTarget,
  file: string,
  prompt: Prompt | null,
  keys: KeyProvisioner,
): Promise<Unpinned | null> {
  const { host, port } = target;
  let shown: HostKey;
  io.err(`reading the host key of ${plainText(host)}:${port}\n`);
  try {
    shown = await keys.hostKey({ host, port });
  } catch (thrown) {
    if (!(thrown instanceof OperationError)) throw thrown;
    io.err(`${plainText(thrown.message)}\n`);
    return { target, shown: null };
  }
  if (prompt !== null || target.accepted !== undefined)
    io.err(`${plainText(host)}:${port} has this host key:\n  ${shown.type} ${shown.fingerprint}\n`);
  if (!(await isAccepted(shown, target, prompt, io))) return { target, shown };
  const result = keys.pin(file, { host, port }, shown.key);
  io.err(result === 'known' ? `${plainText(file)} already has it\n` : `pinned in ${plainText(file)}\n`);
  return null;
}

async function isAccepted(
  { fingerprint }: HostKey,
  { accepted, flag }: HostKeyTarget,
  prompt: Prompt | null,
  io: Io,
): Promise<boolean> {
  if (accepted === fingerprint) return true;
  if (accepted !== undefined) {
    io.err(`It does not match ${flag} ${plainText(accepted)}. Find out why before you connect.\n`);
    return false;
  }
  if (prompt === null) return false;
  const answer = await prompt.ask(
    "Does it match the fingerprint that the server's operator published? Type yes to trust it: ",
    true,
  );
  return answer === 'yes';
}

/** Prints the key that was shown: a second scan could return another one. */
function pinStep({ target, shown }: Unpinned, file: string): string {
  const { host, port, accepted } = target;
  if (shown === null) {
    const scan = `ssh-keyscan -p ${port} ${host} > host-key && ssh-keygen -lf host-key`;
    return `when ${host} is reachable, read its host key, compare the fingerprint with the one that its operator published, and pin it:\n     ${scan}\n     cat host-key >> ${file}`;
  }
  if (accepted !== undefined)
    return `ask the operator of ${host} why its host key is ${shown.fingerprint} and not ${accepted}; nothing is pinned, and sos-ci does not connect`;
  return `compare ${shown.fingerprint} with the fingerprint that the operator of ${host} published; if it matches, pin the key:\n     echo '${shown.line}' >> ${file}`;
}

function printNextSteps(
  io: Io,
  dir: string | null,
  { host, user, node, devstack, knownHostsFile }: InitAnswers,
  result: {
    readonly gerritKey: string;
    readonly nodeKey: string | null;
    readonly unpinned: readonly Unpinned[];
  },
): void {
  const steps = [
    `add this SSH key to the account ${user} (in Gerrit: Settings, SSH Keys):\n     ${result.gerritKey}`,
  ];
  if (node.kind === 'static' || node.kind === 'command') {
    const where = node.kind === 'static' ? `${node.user}@${node.host}` : `${node.user} on each server`;
    steps[0] += `\n   and this SSH key to ~/.ssh/authorized_keys of ${where}:\n     ${result.nodeKey}`;
  }
  for (const unpinnedKey of result.unpinned) steps.push(pinStep(unpinnedKey, knownHostsFile));
  if (devstack !== null) {
    const { options } = devstack;
    if (options.length === 0 || namesVariable(options))
      steps.push(
        `edit the job: ${options.length === 0 ? "the back end's options" : 'the file with the passwords'} (docs/devstack.md):\n     sos-ci config check`,
      );
    steps.push('install the Ansible that sets up the servers:\n     sos-ci setup ansible');
  }
  steps.push('check what is still missing:\n     sos-ci doctor');
  if (node.kind === 'openstack')
    steps.push('boot one server, log in to it and delete it:\n     sos-ci boot-test nodes');
  if (host === OPENDEV)
    steps.push(
      'run in shadow mode, which posts nothing, until the results are right and the project agrees:\n     sos-ci daemon --no-report',
    );
  steps.push(
    'start the daemon, which posts reviews, with a vote if report.label is set:\n     sos-ci daemon',
  );
  io.out(`Next${dir === null ? '' : `, in ${plainText(dir)}`}:\n`);
  for (const [index, step] of steps.entries()) {
    const lines = step.split('\n').map((line) => plainText(line));
    io.out(`${index + 1}. ${lines.join('\n')}\n`);
  }
}

/**
 * `init --from-zuul`: prints a job of Zuul as one for sos-ci.yaml.
 *
 * @param project the project whose changes start the job; undefined: the one that the file names
 * @throws ConfigError if the file is not one of Zuul, or has no such job
 */
export function fromZuulCommand(
  io: Io,
  file: string,
  job: string | undefined,
  project: string | undefined,
): number {
  if (job === undefined)
    throw new CliError(EXIT.usage, 'no job is named', `sos-ci init --from-zuul ${file} JOB`);
  const wrong = entryName(job);
  if (wrong !== null) throw new CliError(EXIT.usage, `the job's name ${wrong.what}`, wrong.next);
  io.out(plainLines(jobFromZuul(file, job, project ?? null)));
  return EXIT.ok;
}
