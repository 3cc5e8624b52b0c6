/**
 * The fields of an OpenStack login, by the names that clouds.yaml uses, each with where it was found: a file and key, a
 * file and line, or an environment variable.
 */
import { OperationError } from '../../../errors.ts';

export interface Field {
  readonly value: string;
  readonly where: string;
}

export interface Fields {
  /** The files or variables that were read, for messages. */
  readonly source: string;
  /** Without empty values. */
  readonly values: ReadonlyMap<string, Field>;
  /** Proxies come from here: an openrc file may set them. */
  readonly environment: Environment;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** Where a DevStack host keeps the credentials of its cloud. */
export const DEVSTACK_CLOUDS = '/etc/openstack/clouds.yaml';

const MAX_BYTES = 1024 * 1024;

/** Limits the size of a file before it is read. */
export function checkSize(file: string, bytes: number): void {
  if (bytes > MAX_BYTES)
    throw credentialsError(file, 'is larger than 1 MB', 'use the file with the credentials');
}

export function credentialsError(where: string, what: string, hint: string, cause?: unknown): OperationError {
  return new OperationError({
    operation: 'read OpenStack credentials',
    target: where,
    message: `${where} ${what}`,
    retryable: false,
    hint,
    cause,
  });
}

/** Environment variables whose name is not `OS_` followed by the field's name in capitals. */
const VARIABLES: Readonly<Record<string, string>> = {
  OS_TENANT_ID: 'project_id',
  OS_TENANT_NAME: 'project_name',
  OS_ENDPOINT_TYPE: 'interface',
};

/** The fields of `OS_*` variables. @param origin returns where a variable was set */
export function fieldsOf(variables: Environment, source: string, origin: (name: string) => string): Fields {
  const values = new Map<string, Field>();
  for (const [name, value] of Object.entries(variables)) {
    if (!name.startsWith('OS_') || value === undefined || value === '') continue;
    const field = VARIABLES[name] ?? name.slice('OS_'.length).toLowerCase();
    if (name in VARIABLES && values.has(field)) continue;
    values.set(field, { value, where: origin(name) });
  }
  return { source, values, environment: variables };
}
