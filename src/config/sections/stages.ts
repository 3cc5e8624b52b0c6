/** `stacking` and `testing` of a job: what each runs, given by exactly one of the keys in `RUNS`. */
import { statSync } from 'node:fs';
import { relative } from 'node:path';
import type { z } from 'zod';
import type { SecretSource, StageSpec } from '../../machines/model/domain.ts';
import { duration, optionalCommand, optionalText } from '../fields/fields.ts';
import type { Problem } from '../file/config-error.ts';
import { at, isMapping, type KeyPath, type ReportProblem, type YamlDocument } from '../file/yaml-document.ts';

const STAGES = ['stacking', 'testing'] as const;
const RUNS = ['command', 'script'] as const;

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
  folder: optionalText({
    kind: 'path',
    about: 'a folder that contains the script and is copied with it; by default the script alone is copied',
  }),
  timeout: duration({
    default: '2h',
    min: '1s',
    about: 'after this the whole process group and its children are killed',
  }),
};

type StageFile = { readonly [K in keyof typeof stageKeys]: z.output<(typeof stageKeys)[K]> };
type Resolve = (path: string) => string;

export function buildStage(
  { command, script, folder, timeout }: StageFile,
  secrets: readonly SecretSource[],
  path: Resolve,
): StageSpec {
  const limits = {
    timeoutMs: timeout,
    outputLimitBytes: MAX_OUTPUT_BYTES,
    ...(secrets.length === 0 ? {} : { secrets }),
  };
  if (command !== null) return { argv: command, ...limits };
  const [program, ...args] = script ?? [];
  if (program === undefined) throw new Error('a stage that runs nothing passed the checks');
  return {
    script: { program: path(program), folder: folder === null ? null : path(folder), arguments: args },
    ...limits,
  };
}

/** @param job the name of the job */
export function checkStages(root: unknown, job: string, add: ReportProblem): void {
  for (const stage of STAGES) {
    const path = ['jobs', job, stage];
    const file = at(root, path);
    if (!isMapping(file)) continue;
    const given = RUNS.filter((key) => file[key] !== undefined && file[key] !== null);
    if (given.length === 0)
      add(path, 'has nothing to run', 'add command: [PROGRAM, ARGUMENT] or script: [PATH, ARGUMENT]');
    if (given.length > 1)
      add(path, `has ${given.join(' and ')}`, 'a stage runs one of them: remove the other');
    if (typeof file.folder === 'string' && !given.includes('script'))
      add([...path, 'folder'], 'belongs to a script', 'add script: [PATH, ARGUMENT], or remove it');
  }
}

/** The files that stages need on this host. */
export function stageFileProblems(document: YamlDocument, path: Resolve): readonly Problem[] {
  const jobs = at(document.value, ['jobs']);
  const names = isMapping(jobs) ? Object.keys(jobs) : [];
  return names.flatMap((name) =>
    STAGES.flatMap((stage) => scriptProblems(document, ['jobs', name, stage], path)),
  );
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
  if (mode === null) return problem('script', `${file} is not there or cannot be read`, 'correct the path');
  if (mode === 'other')
    return problem('script', `${file} is not a regular file`, 'name the program to start');
  if ((mode & 0o111) === 0) return problem('script', `${file} is not executable`, `chmod +x ${file}`);
  const folder = at(document.value, [...stage, 'folder']);
  if (typeof folder !== 'string') return [];
  const inside = relative(path(folder), file);
  return inside === '' || inside.startsWith('..')
    ? problem('folder', `does not contain ${file}`, 'name the folder that it is in, or one above')
    : [];
}

/** The permission bits of a regular file; null: not there. */
function modeOf(file: string): number | 'other' | null {
  try {
    const found = statSync(file);
    return found.isFile() ? found.mode : 'other';
  } catch {
    return null;
  }
}
