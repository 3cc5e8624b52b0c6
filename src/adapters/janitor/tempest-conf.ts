/**
 * Reads which cloud and project tempest.conf names, in the form of oslo.config. A value that occurs more than once counts
 * each time, and names are compared without case, so no reading of Tempest can differ from what was checked.
 */
import { readFile, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import type { CloudScope } from '../openstack/session/session.ts';
import { refusal } from './refusal.ts';

const MAX_BYTES = 1024 ** 2;
const DEFAULT_REGION = 'RegionOne';
const DEFAULT_DOMAIN = 'Default';

/** All values of each option, by `section.option`. */
type Options = ReadonlyMap<string, readonly string[]>;

/**
 * Resolves to the region that Tempest uses.
 * @throws OperationError when the file names a different cloud or project from `scope`, or none
 */
export async function checkTempestConf(file: string, program: string, scope: CloudScope): Promise<string> {
  await refuseMoreFiles(program);
  const info = await stat(file);
  // Tempest would read /etc/tempest/tempest.conf instead.
  if (!info.isFile()) throw refusal(`${file} is not a file`, 'name tempest.conf in tempest.config');
  if (info.size > MAX_BYTES)
    throw refusal(`${file} is larger than 1 MB`, 'name tempest.conf in tempest.config');
  const options = parse(await readFile(file, 'utf8'));
  const expect = (name: string, wanted: string, actual: readonly string[]) => {
    // oslo.config replaces $NAME with the value of another option.
    const other = actual.find((value) => value !== wanted || value.includes('$'));
    if (other === undefined) return;
    throw refusal(
      `${file} has ${name} = ${shown(other)}, and the configuration names ${shown(wanted)}`,
      'correct tempest.conf or the configuration: both must name the same cloud and project',
    );
  };
  const given = (name: string, fallback?: string): readonly string[] => {
    const values = options.get(name) ?? (fallback === undefined ? [] : [fallback]);
    if (values.length === 0)
      throw refusal(`${file} does not set ${name}`, 'set it: sos-ci must know which cloud Tempest cleans');
    return values;
  };
  expect('identity.auth_version', 'v3', given('identity.auth_version', 'v3'));
  expect('identity.uri_v3', scope.authUrl, given('identity.uri_v3').map(v3Url));
  expect('identity.uri', scope.authUrl, (options.get('identity.uri') ?? []).map(v3Url));
  expect('auth.admin_username', scope.userName, given('auth.admin_username'));
  expect('auth.admin_project_name', scope.projectName, given('auth.admin_project_name'));
  const domain =
    options.get('auth.admin_project_domain_name') ?? given('auth.admin_domain_name', DEFAULT_DOMAIN);
  expect('auth.admin_project_domain_name', scope.domainName, domain);
  if (options.has('auth.admin_system'))
    throw refusal(`${file} sets auth.admin_system`, 'remove it: Tempest must log in to the project');
  if (options.has('default.config_source'))
    throw refusal(`${file} sets config_source`, 'remove it: Tempest would read more options from there');
  const [region = DEFAULT_REGION] = given('identity.region', DEFAULT_REGION);
  expect('identity.region', scope.region ?? region, given('identity.region', DEFAULT_REGION));
  return region;
}

/** oslo.config also reads all files of these directories, and they win. */
async function refuseMoreFiles(program: string): Promise<void> {
  for (const name of new Set(['tempest', basename(program)]))
    for (const directory of [join(homedir(), '.tempest'), homedir(), '/etc/tempest', '/etc']) {
      const more = join(directory, `${name}.conf.d`);
      if (await stat(more).then(() => true, isPresent))
        throw refusal(`Tempest would also read ${more}`, 'move its options to tempest.conf, and remove it');
    }
}

/** Anything but a certain absence counts as present. */
function isPresent(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : null;
  return code !== 'ENOENT' && code !== 'ENOTDIR';
}

function parse(text: string): Options {
  const options = new Map<string, string[]>();
  let section = 'default';
  let current: string[] | null = null;
  for (const line of text.split(/\r\n|[\r\n]/)) {
    if (line.trim() === '') {
      current = null;
    } else if (/^[#;]/.test(line)) {
      // A comment does not end a value.
    } else if (/^[ \t]/.test(line)) {
      if (current !== null) current.push(`${current.pop() ?? ''}\n${line.trim()}`);
    } else if (line.startsWith('[')) {
      section = plain(line.slice(1).split(']')[0] ?? '');
      current = null;
    } else {
      const end = line.search(/[=:]/);
      const key = `${section}.${plain(end < 0 ? line : line.slice(0, end))}`;
      current = options.get(key) ?? [];
      current.push(unquoted(end < 0 ? '' : line.slice(end + 1).trim()));
      options.set(key, current);
    }
  }
  return options;
}

function plain(name: string): string {
  return name.trim().toLowerCase().replaceAll('-', '_');
}

function unquoted(value: string): string {
  return value.length > 1 && /^(["']).*\1$/s.test(value) ? value.slice(1, -1) : value;
}

/** In the form of `CloudScope.authUrl`, if it is a URL. */
function v3Url(value: string): string {
  if (!URL.canParse(value)) return value;
  const { origin, pathname, username, search } = new URL(value);
  if (username !== '' || search !== '') return value;
  return `${origin}${pathname.replace(/\/+$/, '').replace(/\/v(2\.0|3)$/, '')}/v3`;
}

/** A password can be part of a URL. */
function shown(value: string): string {
  return JSON.stringify(value.replace(/\/\/[^/@]*@/, '//').slice(0, 200));
}
