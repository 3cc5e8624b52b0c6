/**
 * Where the jobs of a first configuration run. On this host only if the operator says so, or if only users of this host can
 * upload a change.
 */
import { resolve } from 'node:path';
import { type CloudNames, cloudNames } from '../../app/cloud-names.ts';
import { checkCredentials } from '../../app/openstack-session.ts';
import { pathResolver } from '../../config/build.ts';
import { FieldError } from '../../config/fields/field-error.ts';
import { hostName, isLoopback, portNumber, resourceName, userName } from '../../config/fields/validators.ts';
import { nearest } from '../../config/file/config-error.ts';
import type { InitNode } from '../../config/file/init-template.ts';
import { OperationError } from '../../errors.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import type { AnswerQuestion, InitFlags } from './init-answers.ts';

const KINDS = ['local', 'static', 'command', 'openstack'] as const;
const KEY_FILE = './node-key';
const OPENRC_HINT = 'give an openrc file: --openrc FILE';
/** The number of names that a question shows. */
const MAX_NAMES = 12;
/** The default answer on a terminal to the question about the cloud. */
const NO_CLOUD = 'none: use an openrc file';

export async function readNode(
  dir: string,
  host: string,
  flags: InitFlags,
  ask: AnswerQuestion,
): Promise<InitNode> {
  const { node, program, nodeUser, allowUntrustedCode } = flags;
  const implied = impliedKind(flags);
  const kind = await ask({
    flag: '--kind',
    text: 'where jobs run: local (this host), static (a host over SSH), command (servers that your own program creates), openstack (servers in a cloud)',
    fromFlag: flags.kind ?? implied,
    defaultValue: isLoopback(host) ? 'local' : 'static',
    check: (value) =>
      KINDS.some((one) => one === value) ? null : new FieldError(`must be one of ${KINDS.join(', ')}`),
  });
  if (kind === 'local')
    return { kind, untrusted: await confirmTrust(host, allowUntrustedCode === true, ask) };
  if (kind === 'static') {
    const text = await ask({
      flag: '--node',
      text: 'the host that runs jobs: USER@HOST or USER@HOST:PORT',
      fromFlag: node,
      defaultValue: null,
      check: (value) =>
        parseAddress(value) === null ? new FieldError('is not USER@HOST or USER@HOST:PORT') : null,
      or: '--cloud NAME or --openrc FILE (servers in an OpenStack), --program FILE (your own program creates servers), or --allow-untrusted-code (jobs run on this host)',
    });
    const address = parseAddress(text) ?? { user: '', host: '', port: 0 };
    return { kind, ...address, keyFile: KEY_FILE };
  }
  if (kind === 'openstack') return readCloudNode(flags, ask);
  const text = await ask({
    flag: '--program',
    text: 'your program; it is called with create, list or delete (docs/providers.md)',
    fromFlag: program,
    defaultValue: resolve(dir, 'nodes'),
    check: (value) => (value === '' || /\p{C}/u.test(value) ? new FieldError('is not a path') : null),
  });
  const user = await ask({
    flag: '--node-user',
    text: 'the user on its servers',
    fromFlag: nodeUser,
    defaultValue: 'stack',
    check: userName,
  });
  return { kind: 'command', program: resolve(text), user, keyFile: KEY_FILE };
}

/** On a terminal, the questions show the names that the cloud has. Otherwise doctor looks them up. */
async function readCloudNode(flags: InitFlags, ask: AnswerQuestion): Promise<InitNode> {
  const credentials = await readCredentialSource(flags, ask);
  const names = flags.yes === true ? null : await cloudNames(credentials);
  const named = (what: keyof CloudNames, fromFlag: string | undefined, usual: string) => {
    const known = names?.[what] ?? [];
    const shown = known.length === 0 ? '' : `: ${known.slice(0, MAX_NAMES).join(', ')}`;
    return ask({
      flag: `--${what}`,
      text: `the ${what} of the servers${plainText(shown)}`,
      fromFlag,
      defaultValue:
        known.length === 0 || known.includes(usual) ? usual : known.length === 1 ? (known[0] ?? null) : null,
      check: (value) => resourceName(value) ?? (known.length === 0 ? null : unknownName(value, known)),
    });
  };
  return {
    kind: 'openstack',
    credentials,
    image: await named('image', flags.image, 'ubuntu-24.04'),
    flavor: await named('flavor', flags.flavor, 'm1.large'),
    network: await named('network', flags.network, 'private'),
    keyFile: KEY_FILE,
  };
}

/** An id is not in the list, and doctor looks it up. */
function unknownName(value: string, known: readonly string[]): FieldError | null {
  if (known.includes(value) || /^[0-9a-f]{8}-[0-9a-f-]{27}$/.test(value)) return null;
  const near = nearest(value, known);
  return new FieldError(
    'is not a name that the project can see',
    near === null ? '' : `did you mean ${near}?`,
  );
}

/** Credentials that cannot be used are refused here. They are not kept. */
async function readCredentialSource(
  flags: InitFlags,
  ask: AnswerQuestion,
): Promise<{ readonly cloud: string } | { readonly openrc: string }> {
  if (flags.openrc === undefined) {
    const cloud = await ask({
      flag: '--cloud',
      text: 'the cloud, as it is named in clouds.yaml',
      fromFlag: flags.cloud,
      defaultValue: flags.yes === true ? null : NO_CLOUD,
      check: (value) =>
        value === NO_CLOUD ? null : (resourceName(value) ?? credentialsError({ cloud: value }, OPENRC_HINT)),
      or: OPENRC_HINT,
    });
    if (cloud !== NO_CLOUD) return { cloud };
  }
  const path = pathResolver(resolve('sos-ci.yaml'));
  const file = await ask({
    flag: '--openrc',
    text: 'the openrc file',
    fromFlag: flags.openrc,
    defaultValue: null,
    check: (value) => credentialsError({ openrc: path(value) }),
  });
  return { openrc: path(file) };
}

/** @param or another way, for the hint */
function credentialsError(source: Parameters<typeof checkCredentials>[0], or = ''): FieldError | null {
  try {
    checkCredentials(source);
    return null;
  } catch (thrown) {
    if (!(thrown instanceof OperationError)) throw thrown;
    const { message, hint } = thrown;
    return new FieldError(`cannot be used: ${plainText(message)}`, or === '' ? hint : `${hint}, or ${or}`);
  }
}

function impliedKind({ node, program, cloud, openrc, allowUntrustedCode }: InitFlags): string | undefined {
  const kinds = [
    ...(node === undefined ? [] : ['static']),
    ...(program === undefined ? [] : ['command']),
    ...(cloud === undefined ? [] : ['openstack']),
    ...(openrc === undefined ? [] : ['openstack']),
    ...(allowUntrustedCode === true ? ['local'] : []),
  ];
  if (kinds.length > 1) {
    throw new CliError(
      EXIT.usage,
      '--node, --program, --cloud, --openrc and --allow-untrusted-code are mutually exclusive',
      'use one of them; add more providers to the file later',
    );
  }
  return kinds[0];
}

async function confirmTrust(host: string, given: boolean, ask: AnswerQuestion): Promise<boolean> {
  if (given || isLoopback(host)) return given;
  const reply = await ask({
    flag: '--allow-untrusted-code',
    text: `everyone who may upload a change to ${host} can run code on this host as this user; type yes to accept that`,
    fromFlag: undefined,
    defaultValue: null,
    check: (value) =>
      value === 'yes' ? null : new FieldError('must be yes', 'or stop here and use another --kind'),
  });
  return reply === 'yes';
}

function parseAddress(
  text: string,
): { readonly user: string; readonly host: string; readonly port: number } | null {
  const [, user = '', host = '', port = '22'] = /^([^@\s]+)@([^@\s:]+)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const valid = userName(user) === null && hostName(host) === null && portNumber(port) === null;
  return valid ? { host, port: Number(port), user } : null;
}
