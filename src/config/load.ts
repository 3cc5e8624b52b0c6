/**
 * Reads `sos-ci.yaml`. Throws one ConfigError with every error and its location, or returns a configuration that needs
 * no further checks.
 */
import { accessSync, constants, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { buildConfig, pathResolver } from './build.ts';
import { crossProblems, schemaProblems } from './check.ts';
import type { Config } from './config.ts';
import { expandPresets } from './expand-presets.ts';
import { readPasswords } from './fields/password.ts';
import { cloudCredentials } from './file/cloud-credentials.ts';
import { readTemplate } from './file/comment-template.ts';
import { ConfigError, type Problem } from './file/config-error.ts';
import { readKeys, readSecrets } from './file/secrets.ts';
import { at, isMapping, parseYaml, readText, type YamlDocument } from './file/yaml-document.ts';
import { type ConfigFile, configSchema } from './schema.ts';
import { type OwnCredential, readJobSecrets } from './sections/job-secrets.ts';
import { playbookProblems, stageFileProblems } from './sections/stages.ts';

export interface LoadOptions {
  /** The directory that `~` means. Default: this user's home. */
  readonly home?: string;
  /** The source of each `{env: NAME}`. Default: this process's environment. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
}

/** @throws ConfigError */
export function loadConfig(file: string, options: LoadOptions = {}): Config {
  const absolute = resolve(file);
  const path = pathResolver(absolute, options.home);
  const document = expandPresets(readDocument(file));
  const problems = [
    ...document.problems,
    ...crossProblems(document),
    ...keyFileProblems(document, path),
    ...stageFileProblems(document, path),
    ...playbookProblems(document, ['logs', 'playbook'], ['file', 'expire'], path),
  ];
  const environment = options.environment ?? process.env;
  const passwords = readPasswords(document.value, environment, path);
  for (const { path: key, what, next } of passwords.problems) {
    problems.push({ ...document.position(key), path: key.join('.'), what, next });
  }
  const secrets = readSecrets(at(document.value, ['redact']), environment, path);
  for (const { index, what, next } of secrets.problems) {
    problems.push({ ...document.position(['redact', index]), path: `redact.${index}`, what, next });
  }
  const jobSecrets = readJobSecrets(document, environment, path, [
    ...ownKeys(document, path),
    { key: 'a password of this file', values: passwords.values },
    ...cloudCredentials(document.value, environment, path),
  ]);
  problems.push(...jobSecrets.problems);
  const checked = configSchema.safeParse(document.value);
  if (!checked.success)
    throw new ConfigError(file, [...problems, ...schemaProblems(document, checked.error.issues)]);
  const template = readTemplate(document, checked.data.report, path);
  problems.push(...template.problems);
  if (problems.length > 0) throw new ConfigError(file, problems);
  const keys = readKeys(keyFilesOf(checked.data).map(path));
  const hidden = [...new Set([...secrets.values, ...passwords.values, ...jobSecrets.values, ...keys])];
  return buildConfig(absolute, checked.data, hidden, template.text, path);
}

/**
 * The file as it is written.
 * @throws ConfigError if it is no mapping of keys in valid YAML
 */
export function readDocument(file: string): YamlDocument {
  const read = readText(resolve(file));
  if ('problem' in read) throw new ConfigError(file, [read.problem]);
  const document = parseYaml(read.text);
  if (document.value === undefined || !isMapping(document.value)) {
    throw new ConfigError(file, document.problems.length > 0 ? document.problems : [notAMapping(document)]);
  }
  return document;
}

function notAMapping(document: YamlDocument): Problem {
  const empty = document.value === undefined || document.value === null;
  return {
    ...document.position([]),
    path: '',
    what: empty ? 'is empty' : 'must be a mapping of keys at the top level',
    next: 'begin with: sos-ci config check --example',
  };
}

/** The private keys that this CI uses to log in. */
function keyFilesOf({
  gerrit,
  logs,
  providers,
}: Pick<ConfigFile, 'gerrit' | 'logs' | 'providers'>): readonly string[] {
  const nodes = Object.values(providers).flatMap((provider) => ('ssh' in provider ? [provider.ssh.key] : []));
  return [gerrit.key, ...(logs.ssh === undefined ? [] : [logs.ssh.key]), ...nodes];
}

/** Keys are read at the first connection; checking them here gives a missing one a line in the file. */
function keyFileProblems(document: YamlDocument, path: (path: string) => string): readonly Problem[] {
  return keyPaths(document).flatMap((position) => keyFileProblem(document, position, path));
}

/** The keys that name a private key. */
function keyPaths(document: YamlDocument): readonly (readonly string[])[] {
  const providers = at(document.value, ['providers']);
  const names = isMapping(providers) ? Object.keys(providers) : [];
  return [
    ['gerrit', 'key'],
    ['logs', 'ssh', 'key'],
    ...names.map((name) => ['providers', name, 'ssh', 'key']),
  ];
}

/** The lines of the private keys that this CI uses to log in. */
function ownKeys(document: YamlDocument, path: (path: string) => string): readonly OwnCredential[] {
  return keyPaths(document).flatMap((position) => {
    const file = at(document.value, position);
    return typeof file === 'string' ? [{ key: position.join('.'), values: readKeys([path(file)]) }] : [];
  });
}

function keyFileProblem(
  document: YamlDocument,
  where: readonly string[],
  path: (path: string) => string,
): readonly Problem[] {
  const key = at(document.value, where);
  if (typeof key !== 'string') return [];
  const position = { ...document.position(where), path: where.join('.') };
  if (key.includes('PRIVATE KEY')) {
    const next =
      'save it in a separate file (mode 0600), name that file here, and generate a new private key, because this one has been exposed';
    return [{ ...position, what: 'holds a key itself; secrets do not belong in this file', next }];
  }
  const file = path(key);
  try {
    accessSync(file, constants.R_OK);
    if (statSync(file).isFile()) return [];
    return [{ ...position, what: `${file} is not a regular file`, next: 'name the private key' }];
  } catch {
    const next = `correct the path, or create a key: ssh-keygen -t ed25519 -N '' -f ${file}`;
    return [{ ...position, what: `${file} does not exist or cannot be read`, next }];
  }
}
