/**
 * Lists what `tempest cleanup` lists, with the same requests. Tempest reads one page, and takes some listings that fail for
 * empty ones; here all pages are read, and each failure is an error.
 */
import { z } from 'zod';
import type { Calls } from './calls.ts';
import { page } from './resources.ts';
import { CloudError, type Service } from './session/session.ts';

/** The ids of each kind. Kinds have the names of saved_state.json. */
export type ResourceIds = Readonly<Record<string, readonly string[]>>;

const ITEM = z.object({
  id: z.string().min(1).optional(),
  name: z.string().nullish(),
  device_owner: z.string().nullish(),
  keypair: z.object({ name: z.string().min(1) }).optional(),
});
type Item = z.output<typeof ITEM>;

const MAX_PAGES = 40;
const HINT = 'use a cloud that serves nothing else';

interface Kind {
  readonly service: Service;
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** False: Tempest never saves or deletes it. */
  readonly counts?: (item: Item) => boolean;
}

/** Neutron shows an administrator the resources of all projects; Cinder and Nova only those of the project. */
const KINDS: Readonly<Record<string, Kind>> = {
  users: { service: 'identity', path: 'users' },
  projects: { service: 'identity', path: 'projects' },
  domains: { service: 'identity', path: 'domains' },
  roles: { service: 'identity', path: 'roles' },
  regions: { service: 'identity', path: 'regions' },
  images: { service: 'image', path: 'images' },
  flavors: { service: 'compute', path: 'flavors', query: { is_public: 'None' } },
  servers: { service: 'compute', path: 'servers' },
  keypairs: { service: 'compute', path: 'os-keypairs' },
  server_groups: { service: 'compute', path: 'os-server-groups' },
  floatingips: { service: 'network', path: 'floatingips' },
  metering_label_rules: { service: 'network', path: 'metering/metering-label-rules' },
  metering_labels: { service: 'network', path: 'metering/metering-labels' },
  routers: { service: 'network', path: 'routers' },
  ports: {
    service: 'network',
    path: 'ports',
    counts: ({ device_owner: owner }) => (owner ?? '') === '' || owner?.startsWith('compute:') === true,
  },
  subnets: { service: 'network', path: 'subnets' },
  networks: { service: 'network', path: 'networks' },
  security_groups: { service: 'network', path: 'security-groups', counts: ({ name }) => name !== 'default' },
  subnetpools: { service: 'network', path: 'subnetpools' },
  snapshots: { service: 'volume', path: 'snapshots' },
  volumes: { service: 'volume', path: 'volumes' },
};

/** @throws OperationError when a kind is unknown or cannot be listed completely */
export async function listForCleanup(
  calls: Calls,
  kinds: readonly string[],
  signal: AbortSignal,
): Promise<ResourceIds> {
  const listed: Record<string, readonly string[]> = {};
  for (const name of kinds) {
    const kind = Object.hasOwn(KINDS, name) ? KINDS[name] : undefined;
    if (kind === undefined)
      throw incomplete(
        name,
        'sos-ci does not know this kind of resource',
        'report it: this release of Tempest is too new',
      );
    const items = await list(calls, name, kind, signal);
    listed[name] = items.filter(kind.counts ?? (() => true)).map((item) => idOf(name, item));
  }
  return listed;
}

function list(calls: Calls, name: string, kind: Kind, signal: AbortSignal): Promise<readonly Item[]> {
  if (kind.service === 'identity') return fromKeystone(calls, name, kind, signal);
  if (name === 'server_groups') return serverGroups(calls, name, kind, signal);
  const { service, path, query = {} } = kind;
  return calls.all(service, path, page(name, ITEM), (item) => idOf(name, item), signal, query);
}

/** Keystone lists all of them, or says that it does not; newer releases then name the next page. */
function fromKeystone(
  calls: Calls,
  name: string,
  { service, path }: Kind,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  return allPages(name, async (found) => {
    const last = found.at(-1);
    const query = last === undefined ? {} : { marker: idOf(name, last) };
    const { items, more, truncated } = await calls.get(service, path, keystonePage(name), signal, query);
    if (!more && truncated)
      throw incomplete(name, 'Keystone does not list all of them', 'raise list_limit in keystone.conf');
    return { items, more };
  });
}

/** Nova counts here instead of using markers, and has no link to the next page. */
function serverGroups(
  calls: Calls,
  name: string,
  { service, path }: Kind,
  signal: AbortSignal,
): Promise<readonly Item[]> {
  return allPages(name, async (found) => {
    const query = { offset: String(found.length) };
    const { items } = await calls.get(service, path, page(name, ITEM), signal, query);
    return { items, more: true };
  });
}

/** @param read the page after these items; an empty one is the last */
async function allPages(
  name: string,
  read: (found: readonly Item[]) => Promise<{ readonly items: readonly Item[]; readonly more: boolean }>,
): Promise<readonly Item[]> {
  const found: Item[] = [];
  for (let pages = 0; pages < MAX_PAGES; pages += 1) {
    const { items, more } = await read(found);
    found.push(...items);
    if (!more || items.length === 0) return found;
  }
  throw incomplete(name, `there are more than ${found.length}`, HINT);
}

function keystonePage(name: string) {
  const links = z.object({ next: z.string().nullish() }).optional();
  return z
    .object({ [name]: z.array(ITEM), links, truncated: z.boolean().default(false) })
    .transform((answer) => ({
      items: answer[name] as readonly Item[],
      more: typeof (answer.links as z.output<typeof links>)?.next === 'string',
      truncated: answer.truncated === true,
    }));
}

/** Key pairs have names instead of ids. */
function idOf(kind: string, { id, keypair }: Item): string {
  const found = keypair === undefined ? id : keypair.name;
  if (found !== undefined) return found;
  throw incomplete(kind, 'an entry has no id', 'check that the endpoint in the catalogue is this service');
}

function incomplete(kind: string, message: string, hint: string): CloudError {
  const operation = 'list for tempest cleanup';
  const fields = { operation, target: kind, message, hint, status: null };
  return new CloudError({ kind: 'bad-response', retryable: false, mayHaveHappened: false, ...fields });
}
