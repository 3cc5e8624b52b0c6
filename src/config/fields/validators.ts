/**
 * Validators for names and addresses in the configuration, with a hint for each invalid value. The values are used in
 * argument lists, paths, comments and git refs, so each is limited to what those accept.
 */
import { holdsCommand } from '../../machines/comment/sanitize.ts';
import { TRIGGER_KINDS } from '../../machines/model/domain.ts';
import { SUPPRESSIBLE_OUTCOMES } from '../../machines/model/report-spec.ts';
import { PATCHSET_KINDS } from '../../machines/trigger/rules/patchset-kind.ts';
import { patternProblem } from '../../machines/trigger/rules/regex.ts';
import { nearest } from '../file/config-error.ts';
import { FieldError } from './field-error.ts';

/** Every comment contains the address. */
const ADDRESS_LIMIT = 1000;

export function hostName(value: string): FieldError | null {
  if (value.includes('://')) return new FieldError('must be the host name alone, without scheme');
  if (value.includes('@'))
    return new FieldError('must be the host name alone', 'the user belongs under the key user');
  if (/^[^:]+:\d+$/.test(value))
    return new FieldError('must be the host name alone', 'the port belongs under the key port');
  const name = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(value);
  const address6 = /^[0-9A-Fa-f:]{2,45}(%\w+)?$/.test(value) && value.includes(':');
  return name || address6 ? null : new FieldError('is not a host name');
}

export function oneWord(value: string): FieldError | null {
  if (value === '') return new FieldError('is empty');
  return /^[^\s-]\S*$/.test(value)
    ? null
    : new FieldError('must be one word that does not begin with a dash');
}

export function portNumber(value: string): FieldError | null {
  return /^[1-9]\d{0,4}$/.test(value) && Number(value) <= 65_535
    ? null
    : new FieldError('must be a number from 1 to 65535');
}

/** A user on a node: part of a server's address. */
export function userName(value: string): FieldError | null {
  return /^[A-Za-z_][A-Za-z0-9._-]{0,63}$/.test(value) ? null : new FieldError('is not a user name');
}

/** A directory on a node: part of command lines there. */
export function nodeDirectory(value: string): FieldError | null {
  if (!value.startsWith('/'))
    return new FieldError('must be absolute', 'begin it with /; ~ is not expanded on a node');
  const plain = /^(\/[A-Za-z0-9_+@=,-][A-Za-z0-9_+@=,.-]*)+$/.test(value) && value.length <= 400;
  return plain
    ? null
    : new FieldError('must be a path of letters, digits and _ + @ = , . -, without dot segments');
}

/** `TYPE BASE64`: the encoded key also contains the type. */
export function hostKeyText(value: string): FieldError | null {
  const [type = '', encoded = ''] = value.trim().split(/\s+/);
  const blob = Buffer.from(encoded, 'base64');
  const inside = blob.length < 8 ? '' : blob.toString('latin1', 4, 4 + blob.readUInt32BE(0));
  return type !== '' && inside === type
    ? null
    : new FieldError('is not a public key', 'write `TYPE BASE64`, as ssh-keyscan prints it after the name');
}

/** A name or id in a cloud, where names may contain spaces. */
export function resourceName(value: string): FieldError | null {
  return /^\S(.{0,253}\S)?$/.test(value) ? null : new FieldError('must be 1 to 255 characters on one line');
}

export function environmentName(value: string): FieldError | null {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
    ? null
    : new FieldError(`${JSON.stringify(value)} is not the name of an environment variable`);
}

export function pipelineName(value: string): FieldError | null {
  if (holdsCommand(value)) return startsOtherCis();
  return /^[A-Za-z0-9_]{1,64}$/.test(value)
    ? null
    : new FieldError(
        'must be 1 to 64 letters, digits or underscores',
        'parsers of CI comments accept no others: use _ for a dash',
      );
}

export function labelName(value: string): FieldError | null {
  return /^[A-Za-z][A-Za-z0-9-]*$/.test(value)
    ? null
    : new FieldError('must be letters, digits and dashes', "take the label's name as Gerrit shows it");
}

/** The name of a job, a provider or a host: used in paths, and in comments, where a space would end it. */
export function entryName(value: string): FieldError | null {
  if (/\s/.test(value))
    return new FieldError('has a space in it', `write it with dashes: ${value.replaceAll(/\s+/g, '-')}`);
  if (holdsCommand(value)) return startsOtherCis();
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(value)
    ? null
    : new FieldError('must be 1 to 100 letters, digits, dots, dashes or underscores');
}

export function projectPattern(value: string): FieldError | null {
  if (value.startsWith('^') || value.includes('.*')) {
    return new FieldError(
      `${JSON.stringify(value)} is not a project pattern`,
      'only * is special (any text); it is not a regular expression',
    );
  }
  if (value === '') return new FieldError('is empty');
  if (/\s/.test(value)) return new FieldError('has a space in it');
  if (/^[-/]|\/$|\.git$|(^|\/)\.\.?(\/|$)/.test(value)) {
    return new FieldError('is not a project name', 'write it as Gerrit does, such as openstack/cinder');
  }
  return null;
}

export function branchPattern(value: string): FieldError | null {
  if (value === '') return new FieldError('holds an empty pattern');
  if (value.startsWith('refs/')) {
    return new FieldError(
      `${JSON.stringify(value)} begins with refs/`,
      'write the branch alone, such as stable/*',
    );
  }
  return /[\s~^:\\[\]{}()$|?]|\.\.|^\/|\/$/.test(value)
    ? new FieldError(
        `${JSON.stringify(value)} is not a branch pattern`,
        'only * is special (any text); it is not a regular expression',
      )
    : null;
}

/** Relative to the work tree and inside it. */
export function treePath(value: string): FieldError | null {
  if (value === '') return new FieldError('holds an empty path');
  const why = `${JSON.stringify(value)} leads out of the work tree`;
  const next = 'name it relative to the work tree, without ..';
  return /^[/~]|(^|\/)\.\.(\/|$)/.test(value) ? new FieldError(why, next) : null;
}

export function webAddress(value: string): FieldError | null {
  if (value === '') return null;
  const address = URL.canParse(value) ? new URL(value) : null;
  if (address === null || !['http:', 'https:', 'file:'].includes(address.protocol) || /\s/.test(value)) {
    return new FieldError('must be an address that begins with https:// or http://');
  }
  if (value.length > ADDRESS_LIMIT) return new FieldError(`is longer than ${ADDRESS_LIMIT} characters`);
  return address.username !== '' || address.password !== ''
    ? new FieldError(
        'holds a user or password',
        'secrets do not belong in this file, and this URL is posted in public comments',
      )
    : null;
}

/** The text would appear in our comments, and some programs search for such a command anywhere in a comment. */
function startsOtherCis(): FieldError {
  return new FieldError(
    'contains text that starts other CIs, and would be part of each comment',
    'choose another',
  );
}

/** An address to which a password is sent: it must be encrypted, or on this host. */
export function siteAddress(value: string): FieldError | null {
  const wrong = webAddress(value === '' ? 'empty' : value);
  if (wrong !== null) return wrong;
  const { protocol, hostname, search, hash } = new URL(value);
  if (protocol === 'file:' || search !== '' || hash !== '')
    return new FieldError('must be the address of the site alone', 'such as https://review.opendev.org');
  return protocol === 'http:' && !isLoopback(hostname)
    ? new FieldError('would send the password in the clear', 'write https://')
    : null;
}

export function isLoopback(host: string): boolean {
  const name = host.toLowerCase().replace(/^\[(.*)\]$/, '$1');
  return name === 'localhost' || name === '::1' || /^127(\.\d{1,3}){3}$/.test(name);
}

/** No quotes, comments or routes: they are rare, and programs interpret them differently. */
export function mailAddress(value: string): FieldError | null {
  return MAIL_ADDRESS.test(value)
    ? null
    : new FieldError(`${JSON.stringify(value)} is not a mail address`, 'write it like ci@acme.example');
}

/** An address, optionally with a name before it. */
export function mailSender(value: string): FieldError | null {
  return readSender(value) === null
    ? new FieldError('is not a mail address', 'write it like ci@acme.example or Acme CI <ci@acme.example>')
    : null;
}

export function readSender(value: string): { readonly name: string; readonly address: string } | null {
  const [, name = '', inside = value] = /^([^<>"\p{Cc}]{1,100}?) *<([^<>]+)>$/u.exec(value) ?? [];
  return MAIL_ADDRESS.test(inside) ? { name, address: inside } : null;
}

const MAIL_ADDRESS = /^[A-Za-z0-9_][A-Za-z0-9._+=/-]{0,63}@[A-Za-z0-9]([A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$/;

export function suppressibleOutcome(value: string): FieldError | null {
  return SUPPRESSIBLE_OUTCOMES.some((outcome) => outcome === value)
    ? null
    : new FieldError(`holds ${JSON.stringify(value)}`, `known: ${SUPPRESSIBLE_OUTCOMES.join(', ')}`);
}

export function triggerKind(value: string): FieldError | null {
  return oneOf(value, TRIGGER_KINDS);
}

/** A patchset's kind, as Gerrit writes it. */
export function patchsetKind(value: string): FieldError | null {
  return oneOf(value, PATCHSET_KINDS);
}

/** For names from people and Gerrit: `*` matches any text. */
export function namePattern(value: string): FieldError | null {
  if (value === '') return new FieldError('holds an empty pattern');
  return /^\^|\$$|\.\*/.test(value)
    ? new FieldError(
        `${JSON.stringify(value)} looks like a regular expression`,
        'patterns are not regular expressions: only * is special (any text)',
      )
    : null;
}

export function regularExpression(value: string): FieldError | null {
  const problem = patternProblem(value);
  return problem === null ? null : new FieldError(problem.what, problem.next);
}

/** `docs` is a predefined set of patterns. */
export function filePattern(value: string): FieldError | null {
  return value === 'docs' ? null : regularExpression(value);
}

/** `zuul Verified+1`: the account, the label and the value of a vote. */
export function requiredVote(value: string): FieldError | null {
  const [, vote] = /^\S+ [A-Za-z][A-Za-z0-9-]*([+-]\d{1,2})$/.exec(value) ?? [];
  if (vote === undefined)
    return new FieldError('is not a vote', 'write account, label and value: zuul Verified+1');
  return Number(vote) === 0 ? new FieldError('waits for a vote of 0', 'such a vote cannot be cast') : null;
}

function oneOf(value: string, known: readonly string[]): FieldError | null {
  if (known.includes(value)) return null;
  const near = nearest(value, known);
  const next = near === null ? `known: ${known.join(', ')}` : `did you mean "${near}"?`;
  return new FieldError(`holds ${JSON.stringify(value)}`, next);
}
