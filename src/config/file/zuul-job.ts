/**
 * Converts a Zuul job to a sos-ci job. Reads an operator's file, in which anchors and merge keys are usual; never a
 * file of a tree under test.
 */
import { plainText } from '../../terminal-text.ts';
import { filePattern, projectPattern } from '../fields/validators.ts';
import { ConfigError, type Problem } from './config-error.ts';
import {
  isMapping,
  jobText,
  type KeyPath,
  merge,
  parseYaml,
  readText,
  type YamlDocument,
} from './yaml-document.ts';

const PRESET = 'devstack-tempest';
/** A project's name in Zuul may begin with the server. */
const SERVER = /^[^/]+\.[^/]+\//;
/** Keys of a job that are converted, or have no meaning outside Zuul. */
const HANDLED = new Set([
  ...['name', 'parent', 'description', 'abstract', 'vars', 'required-projects'],
  ...['timeout', 'voting', 'files', 'irrelevant-files'],
]);
const SECRET = /pass(word|wd|phrase)?$|secret|token|api_?key/i;
/** Passwords within DevStack, which are not secret. */
const DEVSTACK_PASSWORDS = /^(ADMIN|DATABASE|RABBIT|SERVICE)_PASSWORD$/;

type Mapping = Readonly<Record<string, unknown>>;

/**
 * The job as part of a sos-ci.yaml, with a comment for each key that is not converted.
 *
 * @param project the project whose changes start the job; null: the one that the file names
 * @throws ConfigError
 */
export function jobFromZuul(file: string, name: string, project: string | null): string {
  const items = readItems(file);
  const notes: string[] = [];
  const chain = withParents(file, items, name, notes);
  const job = convert(chain, projectOf(file, items, project), notes);
  const comments = notes.map((note) => `# ${plainText(note)}\n`).join('');
  return comments + jobText(name, job);
}

function readItems(file: string): readonly Mapping[] {
  const read = readText(file);
  if ('problem' in read) throw new ConfigError(file, [read.problem]);
  const document = parseYaml(read.text, '1.1');
  const { value } = document;
  if (document.problems.length > 0) throw new ConfigError(file, document.problems);
  if (!Array.isArray(value) || !value.every(isMapping))
    throw wrong(
      file,
      document,
      [],
      'is not a list, as Zuul configurations are',
      'name a file such as .zuul.yaml',
    );
  return value;
}

function wrong(
  file: string,
  document: YamlDocument | null,
  path: KeyPath,
  what: string,
  next: string,
): ConfigError {
  const position = document?.position(path) ?? { line: 0, column: 0 };
  const problem: Problem = { ...position, path: path.join('.'), what, next };
  return new ConfigError(file, [problem]);
}

/** The job and those that it inherits from, the oldest first. */
function withParents(
  file: string,
  items: readonly Mapping[],
  name: string,
  notes: string[],
): readonly Mapping[] {
  const jobs = items.flatMap(({ job }) => (isMapping(job) && typeof job.name === 'string' ? [job] : []));
  const chain: Mapping[] = [];
  let next: unknown = name;
  while (typeof next === 'string') {
    const wanted = next;
    const [job, ...variants] = jobs.filter((one) => one.name === wanted);
    if (job === undefined) break;
    if (chain.includes(job))
      throw wrong(file, null, ['job', wanted], 'is its own parent', 'correct the file');
    if (variants.length > 0) notes.push(`${wanted} has variants: only the first one is converted.`);
    chain.unshift(job);
    next = job.parent;
  }
  if (chain.length === 0) {
    const known = jobs.map((job) => job.name).join(', ');
    throw wrong(
      file,
      null,
      ['job', name],
      'is not in the file',
      known === '' ? 'the file has no job' : `its jobs: ${known}`,
    );
  }
  if (typeof next === 'string')
    notes.push(
      `The parent ${next} is in another file: its settings are not converted. The preset replaces OpenDev's.`,
    );
  return chain;
}

function projectOf(file: string, items: readonly Mapping[], given: string | null): string {
  if (given !== null) return given;
  const names = items.flatMap(({ project }) =>
    isMapping(project) && typeof project.name === 'string' ? [project.name.replace(SERVER, '')] : [],
  );
  const [only, ...more] = new Set(names);
  if (only === undefined || more.length > 0 || projectPattern(only) !== null)
    throw wrong(
      file,
      null,
      ['project'],
      'does not name the project whose changes start the job',
      'add --project NAME',
    );
  return only;
}

function convert(chain: readonly Mapping[], project: string, notes: string[]): Mapping {
  const job: Mapping = Object.assign({}, ...chain);
  for (const key of Object.keys(job))
    if (!HANDLED.has(key)) notes.push(`${key} is not converted: ${JSON.stringify(job[key]).slice(0, 200)}`);
  const variables = variablesOf(chain, notes);
  const include = patterns(job.files, 'files', notes);
  const exclude = patterns(job['irrelevant-files'], 'irrelevant-files', notes);
  return {
    preset: PRESET,
    project,
    ...(include.length + exclude.length === 0 ? {} : { files: { include, exclude } }),
    ...(job.voting === false ? { voting: false } : {}),
    ...(typeof job.timeout === 'number' ? { testing: { timeout: `${Math.ceil(job.timeout)}s` } } : {}),
    ...(Object.keys(variables).length === 0 ? {} : { variables }),
  };
}

function variablesOf(chain: readonly Mapping[], notes: string[]): Mapping {
  const own = chain.map(({ vars }) => (isMapping(vars) ? vars : {})).reduce(merge, {});
  const required = [...new Set(chain.flatMap((job) => requiredProjects(job['required-projects'], notes)))];
  const variables = merge(required.length === 0 ? {} : { devstack_required_projects: required }, own);
  for (const path of secretPaths(variables, []))
    notes.push(
      `${path.join('.')} looks like a secret. Write it to a file of variableFiles, and '{{ NAME }}' here: variables are stored in the log.`,
    );
  if (/\{\{[^}]*\b(zuul|nodepool|hostvars|groups)\b/.test(JSON.stringify(variables)))
    notes.push(
      'Some variables refer to those of Zuul, which do not exist here: replace zuul, nodepool, hostvars and groups.',
    );
  return variables;
}

function requiredProjects(value: unknown, notes: string[]): readonly string[] {
  return (Array.isArray(value) ? value : []).flatMap((one: unknown) => {
    const name: unknown = isMapping(one) ? one.name : one;
    if (typeof name !== 'string') return [];
    if (isMapping(one) && 'override-checkout' in one)
      notes.push(
        `${name} is cloned at the branch of the change, not at ${String(one['override-checkout'])}.`,
      );
    return [name.replace(SERVER, '')];
  });
}

function patterns(value: unknown, key: string, notes: string[]): readonly string[] {
  const all = Array.isArray(value) ? value : value === undefined ? [] : [value];
  return all.flatMap((one: unknown) => {
    // Zuul matches at the beginning of a path, we anywhere in it.
    const anchored = typeof one === 'string' && (/^\^[^|]*$/.test(one) ? one : `^(?:${one})`);
    if (anchored !== false && filePattern(anchored) === null) return [anchored];
    notes.push(`${key}: ${JSON.stringify(one)} cannot be used here.`);
    return [];
  });
}

function secretPaths(value: unknown, path: readonly string[]): readonly (readonly string[])[] {
  if (isMapping(value))
    return Object.entries(value).flatMap(([key, item]) => secretPaths(item, [...path, key]));
  const name = path.at(-1) ?? '';
  const isSecret = typeof value === 'string' && !value.includes('{{') && SECRET.test(name);
  return isSecret && !DEVSTACK_PASSWORDS.test(name) ? [path] : [];
}
