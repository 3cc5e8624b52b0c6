/**
 * Reads a cloud of clouds.yaml, merged with secure.yaml and with its profile of clouds-public.yaml, from the
 * directories that OpenStack's own tools search. All scalars are read as text, so a password of digits keeps its zeros.
 */
import { readFileSync, statSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { LineCounter, parseDocument } from 'yaml';
import { errorText } from '../../../errors.ts';
import { checkSize, credentialsError, type Environment, type Field, type Fields } from './fields.ts';

const MAX_ALIASES = 100;

type Mapping = Readonly<Record<string, unknown>>;

interface YamlFile {
  readonly path: string;
  readonly root: Mapping;
}

/**
 * @param name null: OS_CLOUD, or the only cloud of the file
 * @param directory the current directory, which OpenStack's tools search first
 * @throws OperationError
 */
export function readCloud(name: string | null, environment: Environment, directory: string): Fields {
  const directories = directoriesOf(environment, directory);
  const clouds = findFile('clouds', environment.OS_CLIENT_CONFIG_FILE, directories);
  if (clouds === null) {
    throw credentialsError(
      'clouds.yaml',
      `is in none of ${directories.join(', ')}`,
      'put it into one of these directories, or set OS_CLIENT_CONFIG_FILE',
    );
  }
  const secure = findFile('secure', environment.OS_CLIENT_SECURE_FILE, directories);
  const all = mapping(clouds, 'clouds');
  const chosen = name ?? environment.OS_CLOUD ?? onlyOf(clouds.path, all);
  const own = all[chosen];
  if (!isMapping(own)) {
    const known = Object.keys(all).slice(0, 20).join(', ') || 'none';
    throw credentialsError(
      clouds.path,
      `has no cloud ${chosen}; it has: ${known}`,
      'correct the name of the cloud',
    );
  }
  const key = `clouds.${chosen}`;
  const secret = secure === null ? {} : mapping(secure, 'clouds')[chosen];
  const values = new Map<string, Field>();
  const profile = text(own.profile ?? own.cloud);
  if (profile !== '') {
    const found = readProfile(profile, environment, directories, `${clouds.path}: ${key}.profile`);
    collect(found.cloud, found.where, values);
  }
  collect(own, `${clouds.path}: ${key}`, values);
  if (secure !== null && isMapping(secret)) collect(secret, `${secure.path}: ${key}`, values);
  applyRegions(own.regions, `${clouds.path}: ${key}.regions`, values);
  return { source: `${clouds.path}: ${key}`, values, environment };
}

function directoriesOf({ HOME, XDG_CONFIG_HOME }: Environment, directory: string): readonly string[] {
  const home = join(HOME ?? homedir(), '.config');
  const user = XDG_CONFIG_HOME ? [join(XDG_CONFIG_HOME, 'openstack')] : [];
  return [...new Set([directory, ...user, join(home, 'openstack'), '/etc/xdg/openstack', '/etc/openstack'])];
}

/** The first file that exists and is readable, as in OpenStack's tools. */
function findFile(base: string, named: string | undefined, directories: readonly string[]): YamlFile | null {
  if (named) {
    const file = readYaml(named);
    if (file === null)
      throw credentialsError(named, 'does not exist', 'correct or unset the OS_CLIENT_*_FILE variable');
    return file;
  }
  for (const directory of directories) {
    for (const suffix of ['yaml', 'yml', 'json']) {
      const file = readYaml(join(directory, `${base}.${suffix}`));
      if (file !== null) return file;
    }
  }
  return null;
}

function readYaml(path: string): YamlFile | null {
  let content: string;
  try {
    const info = statSync(path);
    if (!info.isFile()) return null;
    checkSize(path, info.size);
    content = readFileSync(path, 'utf8');
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    if (code === null) throw error;
    if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'EACCES') return null;
    throw credentialsError(
      path,
      `cannot be read: ${errorText(error)}`,
      'correct the file, or its owner or mode',
      error,
    );
  }
  const lineCounter = new LineCounter();
  const options = { schema: 'failsafe', merge: true, prettyErrors: false, lineCounter } as const;
  const document = parseDocument(content, options);
  const [problem] = document.errors;
  if (problem !== undefined) {
    const { line, col } = lineCounter.linePos(problem.pos[0]);
    throw credentialsError(
      `${path}:${line}:${col}`,
      `is not valid YAML: ${problem.code}`,
      'correct the syntax',
    );
  }
  try {
    const root: unknown = document.toJS({ maxAliasCount: MAX_ALIASES });
    return { path, root: isMapping(root) ? root : {} };
  } catch (error) {
    throw credentialsError(path, 'has too many aliases', 'write the values out where they are used', error);
  }
}

function mapping({ path, root }: YamlFile, key: string): Mapping {
  const value = root[key] ?? {};
  if (isMapping(value)) return value;
  throw credentialsError(`${path}: ${key}`, 'is not a mapping', `write ${key}: {NAME: {auth: {...}}}`);
}

function onlyOf(path: string, clouds: Mapping): string {
  const names = Object.keys(clouds);
  const [only] = names;
  if (only !== undefined && names.length === 1) return only;
  throw credentialsError(path, `has ${names.length} clouds`, `choose one: ${names.slice(0, 20).join(', ')}`);
}

/** Profiles that ship with OpenStack's own tools are not supported. */
function readProfile(
  profile: string,
  environment: Environment,
  directories: readonly string[],
  where: string,
): { readonly cloud: Mapping; readonly where: string } {
  const file = findFile('clouds-public', environment.OS_CLIENT_VENDOR_FILE, directories);
  const cloud = file === null ? undefined : mapping(file, 'public-clouds')[profile];
  if (file !== null && isMapping(cloud)) return { cloud, where: `${file.path}: public-clouds.${profile}` };
  const missing = file === null ? 'there is no clouds-public.yaml' : `${file.path} does not have it`;
  throw credentialsError(
    where,
    `names the profile ${profile}, but ${missing}`,
    'write auth_url and region_name in the cloud itself',
  );
}

/** A field counts the same inside and outside of `auth`. */
function collect(cloud: Mapping, where: string, values: Map<string, Field>): void {
  for (const [name, value] of Object.entries(cloud)) {
    if (typeof value === 'string') put(values, name, value, `${where}.${name}`);
  }
  if (!isMapping(cloud.auth)) return;
  for (const [name, value] of Object.entries(cloud.auth)) {
    if (typeof value === 'string') put(values, name, value, `${where}.auth.${name}`);
  }
}

const OLD_NAMES: Readonly<Record<string, string>> = {
  tenant_id: 'project_id',
  tenant_name: 'project_name',
  endpoint_type: 'interface',
  user_name: 'username',
};

function put(values: Map<string, Field>, name: string, value: string, where: string): void {
  const plain = name.replaceAll('-', '_');
  if (value !== '' && value !== '~' && value !== 'null')
    values.set(OLD_NAMES[plain] ?? plain, { value, where });
}

/**
 * `regions` is a list of names, or of a name and values that differ there. Without region_name the first one is used.
 */
function applyRegions(regions: unknown, where: string, values: Map<string, Field>): void {
  if (!Array.isArray(regions) || regions.length === 0) return;
  const named = regions.map((region: unknown) =>
    isMapping(region)
      ? { name: text(region.name), values: isMapping(region.values) ? region.values : {} }
      : { name: text(region), values: {} },
  );
  const wanted = values.get('region_name');
  const region = wanted === undefined ? named[0] : named.find(({ name }) => name === wanted.value);
  if (region === undefined) {
    const known = named.map(({ name }) => name).join(', ');
    throw credentialsError(
      where,
      `does not list ${wanted?.value}; it lists: ${known}`,
      'correct region_name',
    );
  }
  values.set('region_name', { value: region.name, where });
  collect(region.values, `${where}.${region.name}`, values);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}

function isMapping(value: unknown): value is Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
