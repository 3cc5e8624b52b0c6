/**
 * Lists the resources with our mark. Services filter only roughly or not at all (Nova silently ignores a filter by
 * metadata), so each mark is checked here.
 */
import type { ListedResource } from '../../engine/ports/adapters.ts';
import type { ResourceKind } from '../../machines/model/domain.ts';
import { type Calls, orNull } from './calls.ts';
import { MARK_KEY, type Mark, parseKeyPairName, parseMark, serverTag } from './marks.ts';
import {
  FLOATINGS,
  type FloatingAddress,
  KEY_PAIRS,
  type NovaServer,
  PORTS,
  type Port,
  SERVERS,
  VOLUMES,
  type Volume,
} from './resources.ts';
import { CloudError } from './session/session.ts';

/** All our resources with one server name. */
export interface ServerResources {
  readonly mark: Mark;
  /** Oldest first. More than one only after a create call whose answer was lost. */
  readonly servers: readonly NovaServer[];
  readonly floatings: readonly FloatingAddress[];
  readonly ports: readonly Port[];
  readonly volumes: readonly Volume[];
  /** Names. */
  readonly keyPairs: readonly string[];
}

/** All of them, as a provider lists them. */
export function resourcesOf({
  servers,
  floatings,
  ports,
  volumes,
  keyPairs,
}: ServerResources): readonly ListedResource[] {
  const created = servers.map(({ id, created }) => ({ id, created_at: Date.parse(created) || null }));
  const list = (
    kind: ResourceKind,
    items: readonly { readonly id: string; readonly created_at: number | null }[],
  ) => items.map(({ id, created_at: createdAt }): ListedResource => ({ kind, id, createdAt }));
  return [
    ...list('server', created),
    ...list('floating-ip', floatings),
    ...list('port', ports),
    ...list('volume', volumes),
    // Nova lists key pairs without their times.
    ...list(
      'key-pair',
      keyPairs.map((id) => ({ id, created_at: null })),
    ),
  ];
}

interface Found<T> {
  readonly mark: Mark;
  readonly item: T;
}

/**
 * All resources with the deployment's mark, one entry for each server name, those with the oldest servers first.
 * @param volumes `none` if no volumes are created: then servers are listed and deleted even if the cloud has no Cinder,
 * or Cinder is down; `if-available`: none in these cases
 */
export async function listResources(
  calls: Calls,
  deployment: string,
  volumes: 'all' | 'if-available' | 'none',
  signal: AbortSignal,
): Promise<readonly ServerResources[]> {
  const { projectId } = await calls.session.login(signal);
  const [servers, floatings, ports, disks, keyPairs] = await Promise.all([
    markedServers(calls, deployment, signal),
    markedFloatings(calls, deployment, projectId, signal),
    markedPorts(calls, deployment, projectId, signal),
    listVolumes(calls, deployment, volumes, signal),
    markedKeyPairs(calls, deployment, signal),
  ]);
  const all = [...servers, ...floatings, ...ports, ...disks, ...keyPairs];
  const marks = new Map(all.map(({ mark }) => [mark.name, mark]));
  return [...marks.values()].map((mark): ServerResources => {
    const of = <T>(found: readonly Found<T>[]) =>
      found.filter((entry) => entry.mark.name === mark.name).map(({ item }) => item);
    return {
      mark,
      servers: of(servers),
      floatings: of(floatings),
      ports: of(ports),
      volumes: of(disks),
      keyPairs: of(keyPairs),
    };
  });
}

export async function markedServers(
  calls: Calls,
  deployment: string,
  signal: AbortSignal,
): Promise<readonly Found<NovaServer>[]> {
  const query = { tags: serverTag(deployment) };
  const all = await calls.all('compute', 'servers/detail', SERVERS, ({ id }) => id, signal, query);
  // Nova shows a deleted server for a moment. It lists the newest first.
  const existing = all.filter(({ status }) => status !== 'DELETED').reverse();
  return ours(existing, deployment, ({ metadata }) => parseMark(metadata[MARK_KEY])).sort(byAge);
}

async function markedFloatings(
  calls: Calls,
  deployment: string,
  projectId: string,
  signal: AbortSignal,
): Promise<readonly Found<FloatingAddress>[]> {
  const query = { project_id: projectId };
  const listed = calls.all('network', 'floatingips', FLOATINGS, ({ id }) => id, signal, query);
  return ours((await orNull(listed)) ?? [], deployment, ({ description }) => parseMark(description));
}

async function markedPorts(
  calls: Calls,
  deployment: string,
  projectId: string,
  signal: AbortSignal,
): Promise<readonly Found<Port>[]> {
  const all = await calls.all('network', 'ports', PORTS, ({ id }) => id, signal, { project_id: projectId });
  return ours(all, deployment, ({ description }) => parseMark(description));
}

async function listVolumes(
  calls: Calls,
  deployment: string,
  which: 'all' | 'if-available' | 'none',
  signal: AbortSignal,
): Promise<readonly Found<Volume>[]> {
  if (which === 'none') return [];
  try {
    return await markedVolumes(calls, deployment, signal);
  } catch (error) {
    if (which === 'if-available' && error instanceof CloudError) return [];
    throw error;
  }
}

async function markedVolumes(
  calls: Calls,
  deployment: string,
  signal: AbortSignal,
): Promise<readonly Found<Volume>[]> {
  const all = await calls.all('volume', 'volumes/detail', VOLUMES, ({ id }) => id, signal);
  return ours(all, deployment, ({ metadata }) => parseMark(metadata[MARK_KEY]));
}

async function markedKeyPairs(
  calls: Calls,
  deployment: string,
  signal: AbortSignal,
): Promise<readonly Found<string>[]> {
  const all = await calls.all('compute', 'os-keypairs', KEY_PAIRS, ({ keypair }) => keypair.name, signal);
  const names = all.map(({ keypair }) => keypair.name);
  return ours(names, deployment, (name) => parseKeyPairName(name, deployment));
}

function ours<T>(items: readonly T[], deployment: string, markOf: (item: T) => Mark | null): Found<T>[] {
  return items.flatMap((item) => {
    const mark = markOf(item);
    return mark === null || mark.deployment !== deployment ? [] : [{ mark, item }];
  });
}

function byAge({ item: a }: Found<NovaServer>, { item: b }: Found<NovaServer>): number {
  if (a.created === b.created) return 0;
  return a.created < b.created ? -1 : 1;
}
