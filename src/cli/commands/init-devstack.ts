/** The answers for a first job with DevStack and Tempest. Each value ends in YAML, in cinder.conf or on a command line. */
import { FieldError } from '../../config/fields/field-error.ts';
import type { InitDevstack, InitNode } from '../../config/file/init-template.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { AnswerQuestion, InitFlags, ReadOption } from './init-answers.ts';

const MAX_LENGTH = 1000;
const MAX_CONCURRENCY = 100;
/** Ansible would read it as a template. */
const TEMPLATE = /\{[{%#]/;
const VARIABLE = /^\{\{ [A-Za-z_]\w* \}\}$/;

/** Asks for the driver only with OpenStack, where each job gets a new server: DevStack takes over its host. */
export async function readDevstack(
  flags: InitFlags,
  { kind }: InitNode,
  ask: AnswerQuestion,
  read: ReadOption,
): Promise<InitDevstack | null> {
  const isAsked = kind === 'openstack' || flags.driver !== undefined;
  if (isAsked && kind === 'local') {
    throw new CliError(
      EXIT.usage,
      '--driver: it needs servers',
      'DevStack takes over the host on which it runs',
    );
  }
  const driver = await ask({
    flag: '--driver',
    text: 'the class of your Cinder driver, for a job with DevStack and Tempest (- for a harmless first job)',
    fromFlag: flags.driver,
    defaultValue: '-',
    check: driverError,
    neverAsked: !isAsked,
  });
  if (driver === '-') {
    refuseWithoutDriver(flags);
    return null;
  }
  const options = new Map<string, string>();
  for (const option of flags.driverOption ?? []) {
    await read('--driver-option', option, '', (text) => optionError(text, options));
    const [key, value] = splitOption(option);
    options.set(key, value);
  }
  const mirror = await read('--git-mirror', flags.gitMirror, '', mirrorError);
  return {
    driver,
    options: [...options],
    tests: await read('--tests', flags.tests, 'volume', testsError),
    concurrency: Number(await read('--concurrency', flags.concurrency?.toString(), '4', concurrencyError)),
    gitMirror: mirror.replace(/\/+$/, ''),
  };
}

function refuseWithoutDriver({ driverOption, gitMirror, tests, concurrency }: InitFlags): void {
  const given = {
    '--driver-option': driverOption,
    '--git-mirror': gitMirror,
    '--tests': tests,
    '--concurrency': concurrency,
  };
  for (const [flag, value] of Object.entries(given)) {
    if (value !== undefined)
      throw new CliError(
        EXIT.usage,
        `${flag} needs --driver`,
        'it belongs to a job with DevStack and Tempest',
      );
  }
}

function driverError(value: string): FieldError | null {
  return value === '-' || /^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$/.test(value)
    ? null
    : new FieldError('must be a class of Python, such as cinder.volume.drivers.acme.AcmeDriver');
}

function splitOption(text: string): readonly [key: string, value: string] {
  const at = text.indexOf('=');
  return at < 0 ? ['', ''] : [text.slice(0, at), text.slice(at + 1)];
}

function optionError(text: string, others: ReadonlyMap<string, string>): FieldError | null {
  const [key, value] = splitOption(text);
  if (!/^[A-Za-z]\w{0,99}$/.test(key))
    return new FieldError('must be KEY=VALUE, as in cinder.conf', 'such as san_ip=192.0.2.10');
  if (others.has(key)) return new FieldError(`gives ${key} twice`);
  if (key === 'volume_driver') return new FieldError('gives volume_driver, which is --driver');
  if (VARIABLE.test(value)) return null;
  if (/passw(or)?d|secret$/i.test(key))
    return new FieldError(
      `gives ${key} in plain text`,
      `passwords belong in a file (docs/devstack.md): '${key}={{ acme_password }}'`,
    );
  return value === '' ? new FieldError(`gives no value for ${key}`) : lineError(value);
}

function lineError(value: string): FieldError | null {
  if (value.length > MAX_LENGTH || /\p{C}|\p{Zl}|\p{Zp}/u.test(value))
    return new FieldError(`must be at most ${MAX_LENGTH} characters on one line`);
  return TEMPLATE.test(value)
    ? new FieldError('has a template of Ansible in it', "only '{{ NAME }}' alone is possible, for an option")
    : null;
}

/** Tempest's regular expressions are Python's; compiling a JavaScript translation of them finds a missing bracket. */
function testsError(value: string): FieldError | null {
  if (value === '') return new FieldError('is empty');
  const wrong = lineError(value);
  if (wrong !== null) return wrong;
  const translated = value
    .replace(/^\(\?[aiLmsux]+\)/, '')
    .replaceAll('(?P<', '(?<')
    .replace(/\(\?P=(\w+)\)/g, '\\k<$1>');
  try {
    new RegExp(translated);
    return null;
  } catch (thrown) {
    const { message } = thrown as Error;
    return new FieldError(`is not a regular expression: ${message.replace(/^.*: /s, '')}`);
  }
}

function concurrencyError(value: string): FieldError | null {
  return Number(value) <= MAX_CONCURRENCY
    ? null
    : new FieldError(`must be a number from 1 to ${MAX_CONCURRENCY}`);
}

/** Without a user: the address is in the log. */
function mirrorError(value: string): FieldError | null {
  const remote = /^(git|https?):\/\/([\w.-]+|\[[\dA-Fa-f:]+\])(:\d{1,5})?(\/[\w.~+-]+)*\/?$/;
  const directory = /^(file:\/\/)?(\/[\w.~+-]+)+\/?$/;
  if (value.length <= MAX_LENGTH && (remote.test(value) || directory.test(value))) return null;
  return new FieldError(
    'must be an address that begins with git://, https:// or http://, or a directory of the servers, of plain characters',
    'such as git://mirror.acme.example: below it, openstack/devstack',
  );
}
