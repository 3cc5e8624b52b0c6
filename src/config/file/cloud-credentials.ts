/**
 * Reads the credentials that this CI uses for a cloud, from the files and variables of OpenStack's tools, so that no
 * job can have one as its secret. A file that cannot be read is reported when the cloud is used.
 */
import { readFileSync } from 'node:fs';
import type { OwnCredential } from '../sections/job-secrets.ts';
import { at, isMapping } from './yaml-document.ts';

type Environment = Readonly<Record<string, string | undefined>>;

const DIRECTORIES = ['./', '~/.config/openstack/', '/etc/openstack/'];
const NAMES = ['clouds.yaml', 'clouds.yml', 'secure.yaml', 'secure.yml'];
const VARIABLES = ['OS_PASSWORD', 'OS_TOKEN', 'OS_APPLICATION_CREDENTIAL_SECRET'];
const LINE =
  /^\s*(?:export\s+)?(?:OS_|admin_)?(?:password|token|application_credential_secret)\s*[:=]\s*(["']?)(.*?)\1\s*$/i;
/** A shorter value would match by chance. */
const SHORTEST = 4;

export function cloudCredentials(
  root: unknown,
  environment: Environment,
  path: (path: string) => string,
): readonly OwnCredential[] {
  return accounts(root).flatMap(({ key, account }) => {
    const openrc = at(account, ['openrc']);
    const common = DIRECTORIES.flatMap((directory) => NAMES.map((file) => `${directory}${file}`));
    const named = ['OS_CLIENT_CONFIG_FILE', 'OS_CLIENT_SECURE_FILE'].flatMap(
      (variable) => environment[variable] ?? [],
    );
    const tempestConf = at(account, ['config']);
    const files = [
      ...(typeof openrc === 'string' ? [openrc] : [...named, ...common]),
      ...(typeof tempestConf === 'string' ? [tempestConf] : []),
    ];
    const values = [
      ...files.flatMap((file) => credentialsIn(path(file))),
      ...VARIABLES.flatMap((variable) => environment[variable] ?? []),
    ];
    const long = values.filter((value) => value.length >= SHORTEST);
    return [{ key: `the cloud of ${key}`, values: long }];
  });
}

/** The mappings that name a cloud or an openrc file; those of janitors also name a tempest.conf. */
function accounts(root: unknown): readonly { readonly key: string; readonly account: unknown }[] {
  const providers = at(root, ['providers']);
  const swift = at(root, ['logs', 'swift']);
  const janitors = at(root, ['janitors']);
  return [
    ...(isMapping(providers) ? Object.entries(providers) : []).flatMap(([name, account]) =>
      at(account, ['type']) === 'openstack' ? [{ key: `providers.${name}`, account }] : [],
    ),
    ...(isMapping(janitors) ? Object.entries(janitors) : []).flatMap(([name, janitor]) => {
      const account = at(janitor, ['tempest']);
      return isMapping(account) ? [{ key: `janitors.${name}.tempest`, account }] : [];
    }),
    ...(isMapping(swift) ? [{ key: 'logs.swift', account: swift }] : []),
  ];
}

/** The values and their whole lines: a job's secret may be a copy of the file. */
function credentialsIn(file: string): readonly string[] {
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    return [];
  }
  return text.split(/\r?\n/).flatMap((line) => {
    const [, , value = ''] = LINE.exec(line) ?? [];
    return value === '' ? [] : [value, line.trim()];
  });
}
