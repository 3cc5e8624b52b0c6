/**
 * The credentials of an OpenStack project: from a cloud of clouds.yaml, an openrc file, or the daemon's own `OS_*`
 * variables. Read again for each login, so that a changed password applies at once.
 */
import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { readCloud } from './clouds-yaml.ts';
import { credentialsError, type Environment, type Fields, fieldsOf } from './fields.ts';
import { readOpenrc } from './openrc.ts';

export type CredentialSource =
  /** A cloud of clouds.yaml; null: OS_CLOUD, or the only cloud in the file. */
  | { readonly cloud: string | null }
  /** An absolute path. */
  | { readonly openrc: string }
  | { readonly environment: true };

export interface Credentials {
  /** For messages: the file and cloud, or the variables. */
  readonly source: string;
  /** Keystone's v3 API, without a slash at the end. */
  readonly authUrl: string;
  readonly method: 'password' | 'application-credential' | 'token';
  /** The `auth` of Keystone's request for a token. */
  readonly request: object;
  readonly region: string | null;
  readonly interface: 'public' | 'internal' | 'admin';
  /** PEM file of certificate authorities that replaces the host's; null uses the host's. */
  readonly caFile: string | null;
  /** The field that names `caFile`. */
  readonly caFileField: string;
  /** Must appear in no message, log or published file. */
  readonly secrets: readonly string[];
  /** For `http_proxy`, `https_proxy`, `all_proxy` and `no_proxy`. */
  readonly environment: Environment;
}

export interface CredentialContext {
  readonly environment: Environment;
  readonly directory: string;
}

/** @throws OperationError that names the file or field and contains no secret */
export function readCredentials(
  source: CredentialSource,
  { environment, directory }: CredentialContext = { environment: process.env, directory: process.cwd() },
): Credentials {
  return credentialsOf(readFields(source, environment, directory));
}

function readFields(source: CredentialSource, environment: Environment, directory: string): Fields {
  if ('openrc' in source) return readOpenrc(source.openrc, environment);
  if ('cloud' in source) return readCloud(source.cloud, environment, directory);
  return fieldsOf(environment, 'the environment', (name) => name);
}

export function credentialsOf(fields: Fields): Credentials {
  const { source, environment } = fields;
  refuseUnsupported(fields);
  const authUrl = authUrlOf(fields);
  const { method, request, secrets } = authOf(fields);
  const ca = fields.values.get('cacert');
  return {
    source,
    authUrl,
    method,
    request,
    region: text(fields, 'region_name'),
    interface: interfaceOf(fields),
    caFile: ca === undefined ? null : pathOf(ca.value, ca.where, environment),
    caFileField: ca?.where ?? 'cacert',
    secrets,
    environment,
  };
}

function text({ values }: Fields, name: string): string | null {
  return values.get(name)?.value ?? null;
}

function required(fields: Fields, name: string): string {
  const value = text(fields, name);
  if (value !== null) return value;
  throw credentialsError(
    fields.source,
    `has no ${name}`,
    `add ${name} (in an openrc file or the environment: OS_${name.toUpperCase()})`,
  );
}

function isTrue(value: string): boolean {
  return ['true', 'yes', 'on', '1'].includes(value.toLowerCase());
}

/** Rejects settings that sos-ci would otherwise ignore silently. */
function refuseUnsupported({ values }: Fields): void {
  const verify = values.get('verify');
  const insecure = values.get('insecure');
  const unverified =
    verify !== undefined && !isTrue(verify.value)
      ? verify
      : insecure !== undefined && isTrue(insecure.value)
        ? insecure
        : null;
  if (unverified !== null) {
    throw credentialsError(
      unverified.where,
      'turns off the verification of certificates',
      'remove it, and set the CA of the cloud: cacert: FILE',
    );
  }
  for (const name of ['cert', 'key', 'system_scope', 'trust_id']) {
    const field = values.get(name);
    if (field !== undefined)
      throw credentialsError(field.where, 'is not supported', 'use an application credential of the project');
  }
  const version = values.get('identity_api_version');
  if (version !== undefined && !/^v?3(\.\d+)?$/.test(version.value)) {
    throw credentialsError(version.where, `is ${version.value}`, 'sos-ci needs Keystone v3: set it to 3');
  }
  for (const [name, { where }] of values) {
    if (name.endsWith('_endpoint_override') || (name.endsWith('_endpoint') && name !== 'endpoint')) {
      throw credentialsError(
        where,
        'overrides an endpoint, which is not supported',
        'correct the endpoint in the catalogue of the cloud',
      );
    }
  }
}

function authUrlOf(fields: Fields): string {
  const value = required(fields, 'auth_url');
  const url = URL.canParse(value) ? new URL(value) : null;
  const { where = fields.source } = fields.values.get('auth_url') ?? {};
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.search !== '') {
    throw credentialsError(
      where,
      'is not an http or https URL',
      'write the address of Keystone: https://HOST:5000/v3',
    );
  }
  return `${url.origin}${url.pathname.replace(/\/+$/, '').replace(/\/v(2\.0|3)$/, '')}/v3`;
}

function interfaceOf({ values }: Fields): Credentials['interface'] {
  const field = values.get('interface');
  const name = field?.value.replace(/URL$/, '') ?? 'public';
  if (name === 'public' || name === 'internal' || name === 'admin') return name;
  throw credentialsError(field?.where ?? '', `is ${name}`, 'write public, internal or admin');
}

function pathOf(path: string, where: string, { HOME }: Environment): string {
  if (path.startsWith('~/')) return join(HOME ?? homedir(), path.slice(2));
  if (isAbsolute(path)) return path;
  throw credentialsError(
    where,
    'is not an absolute path',
    'write the absolute path: a daemon has no fixed working directory',
  );
}

type Auth = Pick<Credentials, 'method' | 'request' | 'secrets'>;

const TYPES: Readonly<Record<string, Credentials['method']>> = {
  password: 'password',
  v3password: 'password',
  v3applicationcredential: 'application-credential',
  token: 'token',
  v3token: 'token',
};

function authOf(fields: Fields): Auth {
  const type = fields.values.get('auth_type');
  const method = type === undefined ? guessMethod(fields) : TYPES[type.value];
  switch (method) {
    case 'password':
      return passwordAuth(fields);
    case 'application-credential':
      return applicationCredentialAuth(fields);
    case 'token': {
      const id = required(fields, 'token');
      return {
        method,
        request: { identity: { methods: ['token'], token: { id } }, ...scopeOf(fields) },
        secrets: [id],
      };
    }
    default:
      throw credentialsError(
        type?.where ?? fields.source,
        `has the auth type ${type?.value}`,
        'use v3applicationcredential (recommended), password or token',
      );
  }
}

function guessMethod({ values }: Fields): Credentials['method'] {
  if (values.has('application_credential_secret')) return 'application-credential';
  return values.has('token') && !values.has('password') ? 'token' : 'password';
}

function passwordAuth(fields: Fields): Auth {
  const password = required(fields, 'password');
  const user = { ...userOf(fields), password };
  const identity = { methods: ['password'], password: { user } };
  return { method: 'password', request: { identity, ...scopeOf(fields) }, secrets: [password] };
}

/** The credential itself determines the project: Keystone refuses a request that names one as well. */
function applicationCredentialAuth(fields: Fields): Auth {
  const secret = required(fields, 'application_credential_secret');
  const id = text(fields, 'application_credential_id');
  const which =
    id === null ? { name: required(fields, 'application_credential_name'), user: userOf(fields) } : { id };
  const identity = { methods: ['application_credential'], application_credential: { ...which, secret } };
  return { method: 'application-credential', request: { identity }, secrets: [secret] };
}

function userOf(fields: Fields): object {
  const id = text(fields, 'user_id');
  if (id !== null) return { id };
  return { name: required(fields, 'username'), domain: domainOf(fields, 'user_domain') };
}

/** Without a project, the user's default project is used. */
function scopeOf(fields: Fields): object {
  const id = text(fields, 'project_id');
  if (id !== null) return { scope: { project: { id } } };
  const name = text(fields, 'project_name');
  return name === null ? {} : { scope: { project: { name, domain: domainOf(fields, 'project_domain') } } };
}

function domainOf(fields: Fields, of: 'user_domain' | 'project_domain'): object {
  const id = text(fields, `${of}_id`) ?? text(fields, 'domain_id') ?? text(fields, 'default_domain_id');
  const name =
    text(fields, `${of}_name`) ?? text(fields, 'domain_name') ?? text(fields, 'default_domain_name');
  const specific = text(fields, `${of}_name`) !== null && text(fields, `${of}_id`) === null;
  if (id !== null && !specific) return { id };
  if (name !== null) return { name };
  return { id: text(fields, 'default_domain') ?? 'default' };
}
