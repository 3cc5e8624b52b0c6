/**
 * The answers that a first configuration is made of: from flags, else asked for, else what is usual. Each is checked as the
 * configuration's own check would, so that no mistake gets into the file.
 */
import { randomInt } from 'node:crypto';
import type { FirstAnswers } from '../config/first.ts';
import { Wrong } from '../config/leaf.ts';
import {
  hostName,
  isLoopback,
  jobName,
  oneWord,
  projectPattern,
  userName,
  webAddress,
} from '../config/words.ts';
import type { Asking } from './ask.ts';
import { CliError, EXIT } from './exit.ts';

export interface InitFlags {
  readonly host?: string;
  readonly port?: number;
  readonly user?: string;
  readonly key?: string;
  readonly project?: string;
  readonly job?: string;
  readonly wiki?: string;
  readonly node?: string;
  readonly allowUntrustedCode?: boolean;
  readonly acceptHostKey?: string;
  readonly config?: string;
}

const HOST = 'review.opendev.org';
const PORT = 29418;
/** OpenDev's project for trying out a CI. */
const SANDBOX = 'opendev/ci-sandbox';
const ID_LETTERS = '0123456789abcdefghjkmnpqrstvwxyz';

interface Question {
  readonly flag: string;
  readonly text: string;
  readonly given: string | undefined;
  readonly usual: string | null;
  readonly check: (value: string) => Wrong | null;
}

export async function firstAnswers(flags: InitFlags, asking: Asking | null): Promise<FirstAnswers> {
  const answer = (question: Question) => answerTo(question, asking);
  const host = await answer({
    flag: '--host',
    text: 'Gerrit server',
    given: flags.host,
    usual: HOST,
    check: hostName,
  });
  const user = await answer({
    flag: '--user',
    text: "the CI account's user name there",
    given: flags.user,
    usual: null,
    check: accountName,
  });
  const project = await answer({
    flag: '--project',
    text: 'project to begin with',
    given: flags.project,
    usual: SANDBOX,
    check: oneProject,
  });
  const wiki = await answer({
    flag: '--wiki',
    text: "the CI's page, how to rerun and whom to ask (empty: later)",
    given: flags.wiki,
    usual: '',
    check: webAddress,
  });
  const job = flags.job ?? `${user}-sandbox`;
  const wrong = jobName(job);
  if (wrong !== null) throw refused('--job', wrong);
  return {
    host,
    port: flags.port ?? PORT,
    user,
    keyFile: flags.key ?? './gerrit-key',
    knownHostsFile: './known_hosts',
    deployment: `${user.slice(0, 40)}-${Array.from({ length: 8 }, () => ID_LETTERS[randomInt(32)]).join('')}`,
    wiki,
    project,
    job,
    node: await nodeOf(host, flags, asking),
  };
}

/** Where jobs run. On this host only where that is said, or where nobody but this host's users can upload. */
async function nodeOf(
  host: string,
  { node, allowUntrustedCode }: InitFlags,
  asking: Asking | null,
): Promise<FirstAnswers['node']> {
  if (allowUntrustedCode === true || (node === undefined && isLoopback(host))) return null;
  const told = await answerTo(
    {
      flag: '--node',
      text: 'host that runs the jobs, by SSH: USER@HOST',
      given: node,
      usual: null,
      check: (value) => (readNode(value) === null ? new Wrong('is no USER@HOST or USER@HOST:PORT') : null),
    },
    asking,
    'or --allow-untrusted-code: whoever may upload a change runs code on this host',
  );
  return readNode(told);
}

async function answerTo(question: Question, asking: Asking | null, or = ''): Promise<string> {
  const { flag, text, given, usual, check } = question;
  if (given !== undefined) {
    const wrong = check(given);
    if (wrong !== null) throw refused(flag, wrong);
    return given;
  }
  if (asking === null) {
    if (usual !== null) return usual;
    throw new CliError(
      EXIT.usage,
      `${flag} is missing, and there is no terminal to ask on`,
      `${flag}: ${text}${or === '' ? '' : `; ${or}`}`,
    );
  }
  const shown = usual === null || usual === '' ? '' : ` [${usual}]`;
  for (let problem = ''; ; ) {
    const typed = await asking.ask(`${problem}${text}${shown}: `);
    const value = typed === '' ? usual : typed;
    const wrong = value === null ? new Wrong('is needed', or) : check(value);
    if (value !== null && wrong === null) return value;
    problem = `  it ${wrong?.what}${wrong?.next ? `; ${wrong.next}` : ''}\n`;
  }
}

function refused(flag: string, { what, next }: Wrong): CliError {
  return new CliError(EXIT.usage, `${flag}: it ${what}`, next);
}

function oneProject(value: string): Wrong | null {
  return value.includes('*') ? new Wrong('must be the name of one project') : projectPattern(value);
}

/** The user's name also begins the deployment's id and the job's name. */
function accountName(value: string): Wrong | null {
  const wrong = oneWord(value);
  if (wrong !== null) return wrong;
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,60}$/.test(value)
    ? null
    : new Wrong('must be letters, digits, dots, dashes or underscores');
}

function readNode(text: string): FirstAnswers['node'] {
  const [, user = '', host = '', port = '22'] = /^([^@\s]+)@([^@\s:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const right =
    userName(user) === null && hostName(host) === null && Number(port) >= 1 && Number(port) <= 65_535;
  return right && user !== '' ? { host, port: Number(port), user, keyFile: './node-key' } : null;
}
