/**
 * Names and addresses in the configuration: what each may look like, and what to do about one that does not. They end up
 * in argument lists, paths, comments and git refs, so each is held to what those can carry.
 */
import { holdsCommand } from '../machines/comment/foreign.ts';
import { TRIGGER_KINDS } from '../machines/vocabulary.ts';
import { Wrong } from './leaf.ts';

/** It stands in every comment. */
const ADDRESS_LIMIT = 1000;

export function hostName(value: string): Wrong | null {
  if (value.includes('://')) return new Wrong('must be the host name alone, without scheme');
  if (value.includes('@'))
    return new Wrong('must be the host name alone', 'the user belongs under gerrit.user');
  if (/^[^:]+:\d+$/.test(value))
    return new Wrong('must be the host name alone', 'the port belongs under gerrit.port');
  const name = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/.test(value);
  const address6 = /^[0-9A-Fa-f:]{2,45}(%\w+)?$/.test(value) && value.includes(':');
  return name || address6 ? null : new Wrong('is no host name');
}

export function oneWord(value: string): Wrong | null {
  if (value === '') return new Wrong('is empty');
  return /^[^\s-]\S*$/.test(value) ? null : new Wrong('must be one word that does not begin with a dash');
}

/** A user on a node: it becomes part of the address of a server. */
export function userName(value: string): Wrong | null {
  return /^[A-Za-z_][A-Za-z0-9._-]{0,63}$/.test(value) ? null : new Wrong('is no user name');
}

/** A directory on a node: it becomes part of command lines there. */
export function nodeDirectory(value: string): Wrong | null {
  if (!value.startsWith('/')) return new Wrong('must be absolute', 'begin it with /; ~ means nothing there');
  const plain = /^(\/[A-Za-z0-9_+@=,-][A-Za-z0-9_+@=,.-]*)+$/.test(value) && value.length <= 400;
  return plain
    ? null
    : new Wrong('must be a path of letters, digits and _ + @ = , . -, without dot segments');
}

/** `TYPE BASE64`: the type stands in the key itself too. */
export function hostKeyText(value: string): Wrong | null {
  const [type = '', encoded = ''] = value.trim().split(/\s+/);
  const blob = Buffer.from(encoded, 'base64');
  const inside = blob.length < 8 ? '' : blob.toString('latin1', 4, 4 + blob.readUInt32BE(0));
  return type !== '' && inside === type
    ? null
    : new Wrong('is no public key', 'write `TYPE BASE64`, as ssh-keyscan prints it after the name');
}

export function environmentName(value: string): Wrong | null {
  return /^[A-Za-z_][A-Za-z0-9_]*$/.test(value)
    ? null
    : new Wrong(`${JSON.stringify(value)} is no name of an environment variable`);
}

export function pipelineName(value: string): Wrong | null {
  if (holdsCommand(value)) return startsOthers();
  return /^[A-Za-z0-9_]{1,64}$/.test(value)
    ? null
    : new Wrong(
        'must be 1 to 64 letters, digits or underscores',
        'the readers of CI comments know no others: use _ for a dash',
      );
}

export function labelName(value: string): Wrong | null {
  return /^[A-Za-z][A-Za-z0-9-]*$/.test(value)
    ? null
    : new Wrong('must be letters, digits and dashes', "take the label's name as Gerrit shows it");
}

/** A job's name: it stands in comments, where a space would end it, and in paths. */
export function jobName(value: string): Wrong | null {
  if (/\s/.test(value))
    return new Wrong('has a space in it', `write it with dashes: ${value.replaceAll(/\s+/g, '-')}`);
  if (holdsCommand(value)) return startsOthers();
  return /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(value)
    ? null
    : new Wrong('must be 1 to 100 letters, digits, dots, dashes or underscores');
}

export function projectName(value: string): Wrong | null {
  if (value === '') return new Wrong('is empty');
  if (/\s/.test(value)) return new Wrong('has a space in it');
  if (/^[-/]|\/$|\.git$|(^|\/)\.\.?(\/|$)/.test(value)) {
    return new Wrong('is no project name', 'write it as Gerrit does, such as openstack/cinder');
  }
  return null;
}

export function branchPattern(value: string): Wrong | null {
  if (value === '') return new Wrong('holds an empty pattern');
  if (value.startsWith('refs/')) {
    return new Wrong(
      `${JSON.stringify(value)} begins with refs/`,
      'write the branch alone, such as stable/*',
    );
  }
  return /[\s~^:\\[\]{}()$|?]|\.\.|^\/|\/$/.test(value)
    ? new Wrong(
        `${JSON.stringify(value)} is no branch pattern`,
        'only * is special (any text); it is no regular expression',
      )
    : null;
}

/** Relative to the work tree and inside it. */
export function treePath(value: string): Wrong | null {
  if (value === '') return new Wrong('holds an empty path');
  const why = `${JSON.stringify(value)} leads out of the work tree`;
  const next = 'name it relative to the work tree, without ..';
  return /^[/~]|(^|\/)\.\.(\/|$)/.test(value) ? new Wrong(why, next) : null;
}

export function webAddress(value: string): Wrong | null {
  if (value === '') return null;
  const address = URL.canParse(value) ? new URL(value) : null;
  if (address === null || !['http:', 'https:', 'file:'].includes(address.protocol) || /\s/.test(value)) {
    return new Wrong('must be an address that begins with https:// or http://');
  }
  if (value.length > ADDRESS_LIMIT) return new Wrong(`is longer than ${ADDRESS_LIMIT} characters`);
  return address.username !== '' || address.password !== ''
    ? new Wrong('holds a user or password', 'secrets do not belong in this file, and this one is published')
    : null;
}

/** It would stand in our comments, and some programs look for such a word anywhere in any comment. */
function startsOthers(): Wrong {
  return new Wrong(
    'holds a word that makes other CIs start, and would stand in each comment',
    'choose another',
  );
}

export function triggerKind(value: string): Wrong | null {
  return TRIGGER_KINDS.some((kind) => kind === value)
    ? null
    : new Wrong(`holds ${JSON.stringify(value)}`, `known are ${TRIGGER_KINDS.join(', ')}`);
}
