/** `stacking` and `testing` of a job: what each runs, given by exactly one of the keys in `RUNS`. */
import { statSync } from 'node:fs';
import { relative } from 'node:path';
import type { z } from 'zod';
import { CONFINEMENTS, type SecretSource, STAGES, type StageSpec } from '../../machines/model/domain.ts';
import { FieldError } from '../fields/field-error.ts';
import { choice, duration, mapping, optionalCommand, optionalText, texts } from '../fields/fields.ts';
import type { Problem } from '../file/config-error.ts';
import { DEFAULT_STATE_DIR } from '../file/state-dir.ts';
import { at, isMapping, type KeyPath, type ReportProblem, type YamlDocument } from '../file/yaml-document.ts';

const RUNS = ['command', 'script', 'playbook'] as const;
/** The kind of stage to which each key belongs. */
const KIND_OF_KEY = {
  directory: 'script',
  inventory: 'playbook',
  variables: 'playbook',
  variableFiles: 'playbook',
  confine: 'playbook',
} as const;
const EXAMPLES = { script: 'script: [PATH, ARGUMENT]', playbook: 'playbook: PATH' } as const;
/** Enough for the settings of a job; larger data belongs in files. */
export const MAX_VARIABLES_BYTES = 64 * 1024;

/** Further output is dropped, and the log says so. */
const MAX_OUTPUT_BYTES = 64 * 1024 ** 2;

export const stageKeys = {
  command: optionalCommand({
    about: 'program and arguments, started in the work tree; run without a shell; exit code 0 is success',
  }),
  script: optionalCommand({
    about:
      "instead of command: a program on the daemon's host and its arguments; it is copied to the server and started there in the work tree",
  }),
  directory: optionalText({
    kind: 'path',
    about:
      'a directory that contains the script and is copied with it; by default the script alone is copied',
  }),
  playbook: optionalText({
    kind: 'path, or NAMESPACE.COLLECTION.NAME',
    about:
      "instead of command: a playbook on the daemon's host, which ansible-playbook runs there; the server is the host `node` in its inventory",
  }),
  inventory: optionalText({
    kind: 'path',
    about: 'your own inventory, for a playbook that needs other hosts too',
  }),
  variables: mapping({
    kind: 'mapping of variables',
    maxBytes: MAX_VARIABLES_BYTES,
    checkName: checkVariableName,
    about: 'variables of the playbook; they override those in files. No secrets: they are stored in the log',
  }),
  variableFiles: texts({
    kind: 'list of paths',
    check: () => null,
    about:
      'files with variables of the playbook, as for ansible-playbook -e @FILE; they are read on this host only',
  }),
  confine: choice({
    of: CONFINEMENTS,
    default: 'none',
    about:
      'bubblewrap: ansible-playbook sees only its own files, the directory of the playbook, and the programs of this host',
  }),
  timeout: duration({
    default: '2h',
    min: '1s',
    about: 'after this the whole process group and its children are killed',
  }),
};

/** True for `namespace.collection.name`, false for a path. */
export function isCollectionPlaybook(text: string): boolean {
  return /^\w+\.\w+\.\w+$/.test(text) && !/\.ya?ml$/.test(text);
}

type StageFile = { readonly [K in keyof typeof stageKeys]: z.output<(typeof stageKeys)[K]> };
type Resolve = (path: string) => string;

export function buildStage(
  { command, script, directory, playbook, inventory, variables, variableFiles, confine, timeout }: StageFile,
  secrets: readonly SecretSource[],
  path: Resolve,
): StageSpec {
  const limits = {
    timeoutMs: timeout,
    outputLimitBytes: MAX_OUTPUT_BYTES,
    ...(secrets.length === 0 ? {} : { secrets }),
  };
  if (command !== null) return { argv: command, ...limits };
  if (playbook !== null) {
    const file = isCollectionPlaybook(playbook) ? playbook : path(playbook);
    const own = inventory === null ? null : path(inventory);
    return {
      playbook: { file, inventory: own, variables, variableFiles: variableFiles.map(path), confine },
      ...limits,
    };
  }
  const [program, ...args] = script ?? [];
  if (program === undefined) throw new Error('a stage that runs nothing passed the checks');
  return {
    script: {
      program: path(program),
      directory: directory === null ? null : path(directory),
      arguments: args,
    },
    ...limits,
  };
}

export function checkVariableName(name: string): FieldError | null {
  if (name === 'sos_ci') return new FieldError('holds sos_ci, which describes the job itself', 'remove it');
  return /^[A-Za-z_]\w*$/.test(name)
    ? null
    : new FieldError(
        `holds ${JSON.stringify(name)}, which is not the name of a variable`,
        'use letters, digits and _',
      );
}

/**
 * @param job the name of the job
 * @param providers names of the providers
 */
export function checkStages(
  root: unknown,
  job: string,
  providers: readonly string[],
  add: ReportProblem,
): void {
  for (const stage of STAGES) {
    const path = ['jobs', job, stage];
    const file = at(root, path);
    if (!isMapping(file)) continue;
    const given = RUNS.filter((key) => file[key] !== undefined && file[key] !== null);
    if (given.length === 0)
      add(
        path,
        'has nothing to run',
        'add command: [PROGRAM, ARGUMENT], script: [PATH, ARGUMENT] or playbook: PATH',
      );
    if (given.length > 1)
      add(path, `has ${given.join(' and ')}`, 'a stage runs one of them: remove the other');
    for (const [key, kind] of Object.entries(KIND_OF_KEY))
      if (file[key] !== undefined && !given.includes(kind))
        add([...path, key], `belongs to a ${kind}`, `add ${EXAMPLES[kind]}, or remove it`);
    if (given.includes('playbook')) checkNode(root, job, providers, [...path, 'playbook'], add);
  }
}

/** A playbook needs a node; jobs of a provider of type `local` run on this host. */
function checkNode(
  root: unknown,
  job: string,
  providers: readonly string[],
  path: readonly string[],
  add: ReportProblem,
): void {
  const provider = at(root, ['jobs', job, 'provider']) ?? providers[0];
  const type = at(root, ['providers', String(provider), 'type']) ?? 'local';
  if (type === 'local')
    add(path, `needs a node, and ${provider} is this host`, 'use another provider, or a script');
}

/** The files that stages and janitors need on this host. */
export function stageFileProblems(document: YamlDocument, path: Resolve): readonly Problem[] {
  const jobs = at(document.value, ['jobs']);
  const janitors = at(document.value, ['janitors']);
  const names = (section: unknown) => (isMapping(section) ? Object.keys(section) : []);
  return [
    ...names(jobs).flatMap((name) =>
      STAGES.flatMap((stage) => [
        ...scriptProblems(document, ['jobs', name, stage], path),
        ...playbookProblems(document, ['jobs', name, stage], ['playbook'], path),
      ]),
    ),
    ...names(janitors).flatMap((name) => playbookProblems(document, ['janitors', name], ['playbook'], path)),
  ];
}

function scriptProblems(document: YamlDocument, stage: KeyPath, path: Resolve): readonly Problem[] {
  const script = at(document.value, [...stage, 'script']);
  const program: unknown = Array.isArray(script) ? script[0] : null;
  if (typeof program !== 'string' || program.trim() === '') return [];
  const problem = (key: string, what: string, next: string): readonly Problem[] => {
    const where = [...stage, key];
    return [{ ...document.position(where), path: where.join('.'), what, next }];
  };
  const file = path(program);
  const mode = modeOf(file);
  if (mode === null) return problem('script', `${file} does not exist or cannot be read`, 'correct the path');
  if (mode === 'other')
    return problem('script', `${file} is not a regular file`, 'name the program to start');
  if ((mode & 0o111) === 0) return problem('script', `${file} is not executable`, `chmod +x ${file}`);
  const directory = at(document.value, [...stage, 'directory']);
  if (typeof directory !== 'string') return [];
  const inside = relative(path(directory), file);
  return inside === '' || inside.startsWith('..')
    ? problem('directory', `does not contain ${file}`, 'name the directory that it is in, or one above')
    : [];
}

/**
 * Refuses files below the state directory: patches are checked out there.
 * @param where the mapping that names them
 * @param playbooks the keys of playbooks in it
 */
export function playbookProblems(
  document: YamlDocument,
  where: KeyPath,
  playbooks: readonly string[],
  path: Resolve,
): readonly Problem[] {
  const file = at(document.value, where);
  if (!isMapping(file)) return [];
  const { inventory, variableFiles } = file;
  const named = [
    ...playbooks.flatMap((key) => {
      const playbook = file[key];
      return typeof playbook === 'string' && !isCollectionPlaybook(playbook)
        ? [[key, playbook] as const]
        : [];
    }),
    ...(typeof inventory === 'string' ? [['inventory', inventory] as const] : []),
    ...(Array.isArray(variableFiles) ? variableFiles : []).flatMap((one: unknown) =>
      typeof one === 'string' ? [['variableFiles', one] as const] : [],
    ),
  ];
  const stateDir = at(document.value, ['stateDir']);
  const state = path(typeof stateDir === 'string' ? stateDir : DEFAULT_STATE_DIR);
  return named.flatMap(([key, text]) => {
    const position = [...where, key];
    const problem = (what: string, next: string) => [
      { ...document.position(position), path: position.join('.'), what, next },
    ];
    const target = path(text);
    const inside = relative(state, target);
    if (!inside.startsWith('..'))
      return problem(`${target} is in stateDir, where patches are checked out`, 'move it elsewhere');
    const mode = modeOf(target);
    if (mode === null) return problem(`${target} does not exist or cannot be read`, 'correct the path');
    return mode === 'other' && key !== 'inventory'
      ? problem(`${target} is not a regular file`, 'name a file')
      : [];
  });
}

/** The permission bits of a regular file; null: it does not exist. */
function modeOf(file: string): number | 'other' | null {
  try {
    const found = statSync(file);
    return found.isFile() ? found.mode : 'other';
  } catch {
    return null;
  }
}
