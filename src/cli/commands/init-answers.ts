/**
 * The answers for a first configuration: from options, from questions on the terminal, or defaults. Each is checked like the
 * configuration itself, so that the file has no errors.
 */
import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { FieldError } from '../../config/fields/field-error.ts';
import {
  entryName,
  hostName,
  labelName,
  oneWord,
  portNumber,
  projectPattern,
  webAddress,
} from '../../config/fields/validators.ts';
import type { InitAnswers } from '../../config/file/init-template.ts';
import type { Prompt } from '../input/prompt.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { readDevstack } from './init-devstack.ts';
import { readNode } from './init-node.ts';

export interface InitFlags {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly name?: string;
  readonly wiki?: string;
  readonly project?: string;
  readonly job?: string;
  readonly label?: string;
  readonly driver?: string;
  readonly driverOption?: readonly string[];
  readonly tests?: string;
  readonly concurrency?: number;
  readonly gitMirror?: string;
  readonly kind?: string;
  readonly node?: string;
  readonly program?: string;
  readonly nodeUser?: string;
  readonly cloud?: string;
  readonly openrc?: string;
  readonly image?: string;
  readonly flavor?: string;
  readonly network?: string;
  readonly allowUntrustedCode?: boolean;
  readonly key?: string;
  readonly acceptHostKey?: string;
  readonly acceptNodeKey?: string;
  readonly yes?: boolean;
}

export const OPENDEV = 'review.opendev.org';
const PORT = 29418;
/** OpenDev's sandbox project for CIs. */
const SANDBOX = 'opendev/ci-sandbox';
const ID_LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';

export interface Question {
  readonly flag: string;
  readonly text: string;
  readonly fromFlag: string | undefined;
  /** Null: there is no default. */
  readonly defaultValue: string | null;
  readonly check: (value: string) => FieldError | null;
  /** Options that could be used instead. */
  readonly or?: string;
  /** Only an option gives it; without the option, the default is used on a terminal too. */
  readonly neverAsked?: boolean;
}

/** @throws CliError for an invalid option, or a missing one when there is no terminal */
export type AnswerQuestion = (question: Question) => Promise<string>;
/** The value of an option that is never asked for. */
export type ReadOption = (
  flag: string,
  fromFlag: string | undefined,
  defaultValue: string,
  check: Question['check'],
) => Promise<string>;

/** @param prompt null: there is no terminal */
export async function readAnswers(
  dir: string,
  flags: InitFlags,
  prompt: Prompt | null,
): Promise<InitAnswers> {
  if (prompt === null && flags.yes !== true) {
    throw new CliError(
      EXIT.usage,
      'init needs a terminal, or --yes with options',
      'sos-ci init --yes --user acme-ci --node stack@node1.acme.example (more: sos-ci init --help)',
    );
  }
  const ask: AnswerQuestion = (question) => answerQuestion(question, flags.yes === true ? null : prompt);
  const site = await readGerritAnswers(flags, ask);
  const { host, user, name } = site;
  const wiki = await ask({
    flag: '--wiki',
    text: 'wiki page of the CI: how to rerun, whom to contact (- for none yet)',
    fromFlag: flags.wiki,
    defaultValue: host === OPENDEV ? wikiOf(name) : '-',
    check: (value) => (value === '-' ? null : webAddress(value)),
  });
  const project = await ask({
    flag: '--project',
    text: 'the first project',
    fromFlag: flags.project,
    defaultValue: host !== OPENDEV ? null : flags.driver === undefined ? SANDBOX : 'openstack/cinder',
    check: projectError,
  });
  const option: ReadOption = (flag, fromFlag, defaultValue, check) =>
    ask({ flag, text: '', fromFlag, defaultValue, check, neverAsked: true });
  const job = await option('--job', flags.job, `${user}-first`, entryName);
  const label = await option('--label', flags.label, '', labelName);
  const node = await readNode(dir, host, flags, ask);
  const devstack = await readDevstack(flags, node, ask, option);
  return {
    ...site,
    keyFile: flags.key === undefined ? './gerrit-key' : resolve(flags.key),
    knownHostsFile: './known_hosts',
    deployment: `${user.slice(0, 40)}-${Array.from({ length: 8 }, () => ID_LETTERS[randomInt(32)]).join('')}`,
    wiki: wiki === '-' ? '' : wiki,
    project,
    label,
    job,
    devstack,
    node,
  };
}

async function readGerritAnswers(
  flags: InitFlags,
  ask: AnswerQuestion,
): Promise<Pick<InitAnswers, 'host' | 'port' | 'user' | 'name'>> {
  const host = await ask({
    flag: '--host',
    text: 'Gerrit server',
    fromFlag: flags.host,
    defaultValue: OPENDEV,
    check: hostName,
  });
  const port = await ask({
    flag: '--port',
    text: 'SSH port of Gerrit',
    fromFlag: flags.port?.toString(),
    defaultValue: String(PORT),
    check: portNumber,
  });
  const user = await ask({
    flag: '--user',
    text: "user name of the CI's account",
    fromFlag: flags.user,
    defaultValue: null,
    check: accountNameError,
  });
  const name = await ask({
    flag: '--name',
    text: "display name of the CI's account",
    fromFlag: flags.name,
    defaultValue: displayName(user),
    check: displayNameError,
  });
  return { host, port: Number(port), user, name };
}

async function answerQuestion(question: Question, prompt: Prompt | null): Promise<string> {
  const { flag, text, fromFlag, defaultValue, check, or = '', neverAsked = false } = question;
  if (fromFlag !== undefined) {
    const wrong = check(fromFlag);
    if (wrong !== null) throw invalidFlag(flag, wrong);
    return fromFlag;
  }
  if (prompt === null || neverAsked) {
    if (defaultValue !== null) return defaultValue;
    const hint = `${flag}: ${text}${or === '' ? '' : `; or ${or}`}`;
    throw new CliError(EXIT.usage, `${flag} is missing and has no default`, hint);
  }
  const shown = defaultValue === null ? '' : ` [${defaultValue}]`;
  for (let problem = ''; ; ) {
    const typed = await prompt.ask(`${problem}${text}${shown}: `);
    const value = typed === '' ? defaultValue : typed;
    const wrong = value === null ? new FieldError('is required', or) : check(value);
    if (value !== null && wrong === null) return value;
    problem = `  it ${wrong?.what}${wrong?.next ? `; ${wrong.next}` : ''}\n`;
  }
}

function invalidFlag(flag: string, { what, next }: FieldError): CliError {
  return new CliError(EXIT.usage, `${flag}: it ${what}`, next);
}

/** `acme-storage-ci` becomes `Acme Storage CI`: on OpenDev, the names of CIs end in CI. */
function displayName(user: string): string {
  const words = user.split(/[-_.]+/).filter((word) => word !== '' && word.toLowerCase() !== 'ci');
  return [...words.map((word) => `${word.charAt(0).toUpperCase()}${word.slice(1)}`), 'CI'].join(' ');
}

function wikiOf(name: string): string {
  return `https://wiki.openstack.org/wiki/ThirdPartySystems/${encodeURIComponent(name.replaceAll(' ', '_'))}`;
}

function projectError(value: string): FieldError | null {
  return value.includes('*') ? new FieldError('must be the name of one project') : projectPattern(value);
}

function displayNameError(value: string): FieldError | null {
  return value.trim() !== '' && value.length <= 100 && !/\p{C}/u.test(value)
    ? null
    : new FieldError('must be a name of at most 100 characters');
}

/** The user name also starts the deployment's id and the job's name. */
function accountNameError(value: string): FieldError | null {
  const wrong = oneWord(value);
  if (wrong !== null) return wrong;
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$/.test(value)
    ? null
    : new FieldError(
        'must begin with a letter or a digit, followed by at most 60 letters, digits, dots, dashes or underscores',
      );
}
