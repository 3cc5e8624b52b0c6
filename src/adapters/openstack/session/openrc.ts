/**
 * Reads an openrc file as data: assignments, quotes, and references to variables that were assigned before. Nothing is
 * executed. The lines that Horizon, Kolla and TripleO generate beside assignments are understood: unsetting empty or
 * old variables, and messages. A file that prompts for a password, or that is a program such as DevStack's openrc, is
 * refused.
 */
import { readFileSync, statSync } from 'node:fs';
import { errorText } from '../../../errors.ts';
import {
  checkSize,
  credentialsError,
  DEVSTACK_CLOUDS,
  type Environment,
  type Fields,
  fieldsOf,
} from './fields.ts';

const NAME = '[A-Za-z_][A-Za-z0-9_]*';
const ASSIGNMENT = new RegExp(`^(?:export\\s+)?${NAME}=`);
/** Horizon: `if [ -z "$OS_REGION_NAME" ]; then unset OS_REGION_NAME; fi` */
const UNSET_IF_EMPTY = new RegExp(`^if \\[ -z "\\$\\{?(${NAME})\\}?" \\]; then unset (${NAME}); fi$`);
/** Kolla and TripleO: `for key in $( set | awk ... ) ; do unset $key ; done` */
const UNSET_OLD = new RegExp(
  `^for (${NAME}) in \\$\\(.*\\)\\s*;\\s*do unset "?\\$\\{?(${NAME})\\}?"?\\s*;\\s*done$`,
);
const UNSET = new RegExp(`^unset((?:\\s+${NAME})+)$`);
const EXPORTED = new RegExp(`^export((?:\\s+${NAME})+)$`);
const MESSAGE = /^(?:echo|printf)\b/;
const PROMPTS = /(?:^|[\s;|&(])read\b/;

const DEVSTACK_HINT = `on a DevStack host, use a cloud of ${DEVSTACK_CLOUDS} instead`;

/** @param environment only for references to its variables, such as HOME, and for proxies @throws OperationError */
export function readOpenrc(file: string, environment: Environment): Fields {
  let text: string;
  try {
    checkSize(file, statSync(file).size);
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (error instanceof Error && !('code' in error)) throw error;
    throw credentialsError(
      file,
      `cannot be read: ${errorText(error)}`,
      'correct the path, or its owner or mode',
      error,
    );
  }
  return parseOpenrc(text, file, environment);
}

export function parseOpenrc(text: string, file: string, environment: Environment): Fields {
  const inherited = Object.entries(environment).filter(([name]) => !name.startsWith('OS_'));
  /** Null: a value that needs a shell. */
  const variables = new Map<string, string | null | undefined>(inherited);
  const lines = new Map<string, number>();
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const number = index + 1;
    for (const name of readLine(line.trim(), variables, `${file}:${number}`)) lines.set(name, number);
  }
  const known = Object.fromEntries([...variables].flatMap(([name, value]) => (value ? [[name, value]] : [])));
  return fieldsOf(known, file, (name) => `${file}:${lines.get(name) ?? 0}`);
}

/** Applies one line. Returns the names that it assigned. */
function readLine(line: string, variables: Map<string, string | null | undefined>, where: string): string[] {
  if (line === '' || line.startsWith('#')) return [];
  if (ASSIGNMENT.test(line)) return assign(line.replace(/^export\s+/, ''), variables, where);
  if (EXPORTED.test(line)) return [];
  const conditional = UNSET_IF_EMPTY.exec(line);
  const old = UNSET_OLD.exec(line);
  const names = UNSET.exec(line)?.[1];
  if (conditional !== null && conditional[1] === conditional[2]) {
    if (variables.get(conditional[1] ?? '') === '') variables.delete(conditional[1] ?? '');
  } else if (old !== null && old[1] === old[2]) {
    for (const name of variables.keys()) if (name.startsWith('OS_')) variables.delete(name);
  } else if (names !== undefined) {
    for (const name of names.trim().split(/\s+/)) variables.delete(name);
  } else if (PROMPTS.test(line)) {
    throw credentialsError(
      where,
      'prompts for a password, which a daemon cannot enter',
      `use the openrc file of an application credential, or clouds.yaml; ${DEVSTACK_HINT}`,
    );
  } else if (!MESSAGE.test(line)) {
    throw credentialsError(
      where,
      'is not an assignment: the file is a shell program, and sos-ci executes none',
      `use a file of plain "export OS_...=..." lines, or clouds.yaml; ${DEVSTACK_HINT}`,
    );
  }
  return [];
}

function assign(line: string, variables: Map<string, string | null | undefined>, where: string): string[] {
  const names: string[] = [];
  let rest = line;
  while (rest !== '' && !rest.startsWith('#')) {
    const name = new RegExp(`^(${NAME})=`).exec(rest)?.[1];
    if (name === undefined) {
      throw credentialsError(
        where,
        'contains more than assignments',
        `write one assignment per line; ${DEVSTACK_HINT}`,
      );
    }
    const word = readWord(rest.slice(name.length + 1), variables);
    if (word.value === null && /^OS_|_proxy$/i.test(name)) {
      const next = `write the value itself, in single quotes; ${DEVSTACK_HINT}`;
      throw credentialsError(where, `sets ${name} to a value that only a shell can compute`, next);
    }
    variables.set(name, word.value);
    names.push(name);
    rest = word.rest.trimStart();
  }
  return names;
}

interface Word {
  /** Null when it needs a shell. */
  readonly value: string | null;
  readonly rest: string;
}

/** One word of a shell: unquoted, single-quoted and double-quoted parts. */
function readWord(text: string, variables: ReadonlyMap<string, string | null | undefined>): Word {
  let value: string | null = '';
  let at = 0;
  let quoted = false;
  const add = (part: string | null): void => {
    value = value === null || part === null ? null : value + part;
  };
  while (at < text.length) {
    const character = text[at] ?? '';
    if (!quoted && /\s/.test(character)) break;
    if (!quoted && character === "'") {
      const end = text.indexOf("'", at + 1);
      // A value of several lines.
      if (end === -1) return { value: null, rest: '' };
      add(text.slice(at + 1, end));
      at = end + 1;
    } else if (character === '"') {
      quoted = !quoted;
      at += 1;
    } else if (character === '\\') {
      const next = text[at + 1] ?? '';
      add(quoted && !'$`"\\'.includes(next) ? `\\${next}` : next === '' ? null : next);
      at += 2;
    } else if (character === '$') {
      const reference = new RegExp(`^\\$(?:(${NAME})|\\{(${NAME})\\})`).exec(text.slice(at));
      if (reference === null) return { value: null, rest: '' };
      const found = variables.get(reference[1] ?? reference[2] ?? '');
      add(found === undefined ? '' : found);
      at += reference[0].length;
    } else if (character === '`' || (!quoted && /[;&|<>()]/.test(character))) {
      return { value: null, rest: '' };
    } else {
      add(character);
      at += 1;
    }
  }
  return { value: quoted ? null : value, rest: text.slice(at) };
}
