/** Cinder of the embedded OpenStack: volumes, whose state advances with each read, and quotas, which answer 413. */
import { randomUUID } from 'node:crypto';
import type { CloudState, VolumeRecord } from './cloud-state.ts';
import { type ApiCall, type ApiReply, computeError, members, textOf, volumeQuotaError } from './reply.ts';

export function answerVolume(state: CloudState, call: ApiCall, url: string): ApiReply {
  const { method } = call;
  const [collection, id] = call.segments;
  if (collection === 'limits' && method === 'GET') return { status: 200, body: { limits: limits(state) } };
  if (collection !== 'volumes') throw computeError(404, 'The resource could not be found.');
  if (method === 'POST' && id === undefined) return create(state, members(members(call.body).volume));
  if (method === 'GET' && (id === undefined || id === 'detail')) return list(state, call, url);
  const volume = state.volumes.get(id ?? '');
  if (volume !== undefined) advance(state, volume);
  if (volume === undefined || !state.volumes.has(volume.id)) {
    throw computeError(404, `Volume ${id} could not be found.`);
  }
  if (method === 'GET') return { status: 200, body: { volume: view(state, volume) } };
  if (volume.status === 'in-use') {
    throw computeError(
      400,
      'Invalid volume: Volume status must be available or error and must not be attached to an instance.',
    );
  }
  volume.status = 'deleting';
  return { status: 202 };
}

function create(state: CloudState, wanted: Readonly<Record<string, unknown>>): ApiReply {
  const imageId = textOf(wanted.imageRef);
  if (imageId !== null && !state.images.some((image) => image.id === imageId)) {
    throw computeError(400, 'Invalid image identifier or unable to access requested image.');
  }
  if (typeof wanted.volume_type === 'string') {
    throw computeError(404, `Volume type with name ${wanted.volume_type} could not be found.`);
  }
  const size = Number(wanted.size ?? 0);
  const { volumes, gigabytes } = state.quotas;
  const used = [...state.volumes.values()].reduce((sum, volume) => sum + volume.size, 0);
  if (state.volumes.size >= volumes) {
    throw volumeQuotaError(
      `VolumeLimitExceeded: Maximum number of volumes allowed (${volumes}) exceeded for quota 'volumes'.`,
    );
  }
  if (used + size > gigabytes) {
    throw volumeQuotaError(
      `VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested ` +
        `${size}G, quota is ${gigabytes}G and ${used}G has been consumed.`,
    );
  }
  const volume: VolumeRecord = {
    id: randomUUID(),
    name: textOf(wanted.name) ?? '',
    description: textOf(wanted.description) ?? '',
    size,
    imageId,
    metadata: { ...(members(wanted.metadata) as Record<string, string>) },
    created: state.nextTime(),
    status: 'creating',
    serverId: null,
    deleteWithServer: false,
  };
  state.volumes.set(volume.id, volume);
  return { status: 202, body: { volume: view(state, volume) } };
}

function advance(state: CloudState, volume: VolumeRecord): void {
  if (volume.status === 'creating') volume.status = 'available';
  if (volume.status === 'deleting') state.volumes.delete(volume.id);
}

function list(state: CloudState, call: ApiCall, url: string): ApiReply {
  const { query } = call;
  const wanted = metadataFilter(query.get('metadata'));
  const matching = [...state.volumes.values()]
    .reverse()
    .filter((volume) => !query.has('name') || volume.name === query.get('name'))
    .filter((volume) => !query.has('status') || volume.status === query.get('status'))
    .filter((volume) => wanted.every(([key, value]) => volume.metadata[key] === value));
  for (const volume of matching) if (volume.status === 'deleting') advance(state, volume);
  const marker = query.get('marker');
  const from = marker === null ? 0 : matching.findIndex(({ id }) => id === marker) + 1;
  const limit = Math.min(Number(query.get('limit') ?? Number.POSITIVE_INFINITY), state.maxPage);
  const page = matching.slice(from, from + limit);
  const next = new URLSearchParams(query);
  next.set('marker', page.at(-1)?.id ?? '');
  const more = page.length > 0 && page.length === limit;
  return {
    status: 200,
    body: {
      volumes: page.map((volume) => view(state, volume)),
      ...(more ? { volumes_links: [{ rel: 'next', href: `${url}/${call.path}?${next}` }] } : {}),
    },
  };
}

/** Parses Cinder's filter, a Python dictionary: `{'key': 'value'}`. */
function metadataFilter(text: string | null): readonly (readonly [string, string])[] {
  return [...(text ?? '').matchAll(/['"]([^'"]*)['"]\s*:\s*['"]([^'"]*)['"]/g)].map(
    ([, key = '', value = '']) => [key, value] as const,
  );
}

function view(state: CloudState, volume: VolumeRecord): unknown {
  return {
    id: volume.id,
    name: volume.name,
    description: volume.description,
    size: volume.size,
    status: volume.status,
    metadata: volume.metadata,
    created_at: volume.created.replace('Z', '.000000'),
    volume_type: '__DEFAULT__',
    bootable: volume.imageId === null ? 'false' : 'true',
    attachments: volume.serverId === null ? [] : [{ server_id: volume.serverId, volume_id: volume.id }],
    'os-vol-tenant-attr:tenant_id': state.projectId,
  };
}
function limits(state: CloudState): unknown {
  const volumes = [...state.volumes.values()];
  return {
    rate: [],
    absolute: {
      maxTotalVolumes: state.quotas.volumes,
      maxTotalVolumeGigabytes: state.quotas.gigabytes,
      totalVolumesUsed: volumes.length,
      totalGigabytesUsed: volumes.reduce((sum, { size }) => sum + size, 0),
    },
  };
}
