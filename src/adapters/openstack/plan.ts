/**
 * Resolves the image, flavor, networks and security groups that the configuration names to their ids. They are looked
 * up for each server, so a replaced image is used at once.
 */
import { readFile } from 'node:fs/promises';
import type { z } from 'zod';
import type { OpenStackProviderConfig } from '../../config/config.ts';
import { errorText, OperationError } from '../../errors.ts';
import type { CloudObject } from '../../machines/model/environment.ts';
import { type Calls, orNull, type Page } from './calls.ts';
import { FLAVORS, type Flavor, GROUPS, type Group, IMAGE, IMAGES, NETWORKS } from './resources.ts';
import type { Service } from './session/session.ts';

/** Nova's limit, as base64. */
const MAX_USER_DATA = 65_535;
const MAX_NAMES = 10;

export interface Plan {
  readonly image: CloudObject;
  readonly flavor: Flavor;
  /** One port is created in each, in this order. */
  readonly networks: readonly { readonly id: string; readonly filtered: boolean }[];
  readonly floatingNetworkId: string | null;
  /** Empty: the project's default. */
  readonly groups: readonly Group[];
  /** Base64. */
  readonly userData: string | null;
  /** The account for the login. */
  readonly user: string;
}

/** @throws OperationError with every missing name, and the available names */
export async function planServer(
  calls: Calls,
  config: OpenStackProviderConfig,
  signal: AbortSignal,
): Promise<Plan> {
  const { projectId } = await calls.session.login(signal);
  const lookUp = <T extends Named>(kind: Kind, schema: z.ZodType<Page<T>>, wanted: string, query = {}) =>
    find(calls, kind, schema, wanted, query, signal);
  const { image, networks, floatingNetwork, securityGroups, node, userDataFile } = config;
  const [found, size, planned, external, groups, userData] = await allFound([
    findImage(calls, image, signal),
    findFlavor(calls, config, signal),
    allFound(networks.map((name) => lookUp(KINDS.network, NETWORKS, name))),
    floatingNetwork === null ? null : lookUp(KINDS.network, NETWORKS, floatingNetwork),
    allFound(securityGroups.map((name) => lookUp(KINDS.group, GROUPS, name, { project_id: projectId }))),
    userDataFile === null ? null : readUserData(userDataFile),
  ]);
  return {
    image: { id: found.id, name: found.name },
    flavor: size,
    networks: planned.map(({ id, port_security_enabled: filtered }) => ({ id, filtered })),
    floatingNetworkId: external?.id ?? null,
    groups,
    userData,
    user: node.user ?? found.os_admin_user ?? 'ubuntu',
  };
}

/** As Promise.all, but the error names everything that is missing. */
async function allFound<T extends readonly unknown[]>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled(promises);
  const reasons = settled.flatMap((one) => (one.status === 'rejected' ? [one.reason as unknown] : []));
  const missing = reasons.filter((reason) => reason instanceof OperationError && !reason.retryable);
  const [first, ...others] = reasons.length === missing.length ? (missing as OperationError[]) : [];
  if (first === undefined || others.length === 0) return Promise.all(promises);
  const all = [first, ...others];
  const join = (texts: readonly string[]) => [...new Set(texts)].join('; ');
  throw new OperationError({
    operation: join(all.map(({ operation }) => operation)),
    target: join(all.map(({ target }) => target)),
    message: join(all.map(({ message }) => message)),
    retryable: false,
    hint: join(all.map(({ operation, hint }) => `${operation}: ${hint}`)),
  });
}

/** The list omits community and hidden images, which are found by id. */
function findImage(calls: Calls, image: string, signal: AbortSignal): Promise<z.output<typeof IMAGE>> {
  const path = `images/${encodeURIComponent(image)}`;
  const read = () => orNull(calls.get('image', path, IMAGE, signal));
  return find(calls, KINDS.image, IMAGES, image, {}, signal, read);
}

export function findFlavor(
  calls: Calls,
  { flavor }: OpenStackProviderConfig,
  signal: AbortSignal,
): Promise<Flavor> {
  return find(calls, KINDS.flavor, FLAVORS, flavor, {}, signal);
}

interface Named {
  readonly id: string;
  readonly name: string;
}

interface Kind {
  readonly what: string;
  readonly service: Service;
  readonly path: string;
}

const KINDS = {
  image: { what: 'image', service: 'image', path: 'images' },
  flavor: { what: 'flavor', service: 'compute', path: 'flavors/detail' },
  network: { what: 'network', service: 'network', path: 'networks' },
  group: { what: 'security group', service: 'network', path: 'security-groups' },
} as const satisfies Record<string, Kind>;

async function find<T extends Named>(
  calls: Calls,
  { what, service, path }: Kind,
  schema: z.ZodType<Page<T>>,
  wanted: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
  readUnlisted: () => Promise<T | null> = async () => null,
): Promise<T> {
  const list = (more: Readonly<Record<string, string>>) =>
    calls.all(service, path, schema, ({ id }) => id, signal, { ...query, ...more });
  // Nova ignores the filter for flavors.
  const named = (await list({ name: wanted })).filter(({ name }) => name === wanted);
  const all = named.length > 0 ? named : await list({});
  const listed = all.find(({ id }) => id === wanted);
  const byId = listed ?? (named.length > 0 ? null : await readUnlisted());
  const [found, another] = byId === null ? named : [byId];
  if (found !== undefined && another === undefined) return found;
  const fail = (message: string, hint: string) =>
    new OperationError({ operation: `find ${what}`, target: wanted, message, retryable: false, hint });
  if (another !== undefined)
    throw fail(
      `several have the name ${wanted}: ${named.map(({ id }) => id).join(', ')}`,
      'use the id instead of the name',
    );
  const near = nearest(wanted, [...new Set(all.map(({ name }) => name))]).slice(0, MAX_NAMES);
  throw fail(`there is no ${what} ${wanted}`, `the project sees: ${near.join(', ') || 'none'}`);
}

/** The most similar names first: those that share the most pairs of letters. */
function nearest(wanted: string, names: readonly string[]): readonly string[] {
  const pairs = (text: string) => {
    const folded = text.toLowerCase();
    return new Set([...folded].map((_, index) => folded.slice(index, index + 2)));
  };
  const wantedPairs = pairs(wanted);
  const score = (name: string) => {
    const own = pairs(name);
    return [...own].filter((pair) => wantedPairs.has(pair)).length / (own.size + wantedPairs.size);
  };
  const scored = names.map((name) => ({ name, score: score(name) }));
  scored.sort((a, b) => b.score - a.score || (a.name < b.name ? -1 : 1));
  return scored.map(({ name }) => name);
}

async function readUserData(file: string): Promise<string> {
  const fail = (message: string) =>
    new OperationError({
      operation: 'read user data',
      target: file,
      message,
      retryable: false,
      hint: 'correct userData of the provider',
    });
  const text = await readFile(file, 'base64').catch((error: unknown) => {
    throw fail(errorText(error));
  });
  if (text.length > MAX_USER_DATA) throw fail(`more than ${MAX_USER_DATA} bytes as base64`);
  return text;
}
