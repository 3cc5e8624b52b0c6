/** Glance of the embedded OpenStack: images by id, name and page. Its errors are HTML. */
import type { CloudState, ImageRecord } from './cloud-state.ts';
import { type ApiCall, type ApiReply, imageError } from './reply.ts';

const DEFAULT_LIMIT = 25;
const KNOWN_FILTERS = [
  'limit',
  'marker',
  'name',
  'status',
  'id',
  'sort',
  'sort_key',
  'sort_dir',
  'visibility',
  'owner',
];

export function answerImage(state: CloudState, call: ApiCall): ApiReply {
  const [collection, id] = call.segments;
  if (collection !== 'images' || call.method !== 'GET') {
    throw imageError(404, 'Not Found', 'The resource could not be found.');
  }
  if (id === undefined) return list(state, call.query);
  const image = state.images.find((known) => known.id === id);
  if (image === undefined) throw imageError(404, 'Not Found', `No image found with ID ${id}`);
  return { status: 200, body: view(image) };
}

function list(state: CloudState, query: URLSearchParams): ApiReply {
  const names = query.get('name')?.replace(/^in:/, '').split(',');
  // Glance treats an unknown filter as a property, and no image here has one.
  const unknown = [...query.keys()].some((key) => !KNOWN_FILTERS.includes(key));
  const matching = state.images
    .filter(({ hidden }) => !hidden)
    .filter((image) => names === undefined || names.includes(image.name))
    .filter((image) => !query.has('id') || image.id === query.get('id'))
    .filter((image) => !unknown && (!query.has('status') || image.status === query.get('status')));
  const marker = query.get('marker');
  const from = marker === null ? 0 : matching.findIndex(({ id }) => id === marker) + 1;
  const limit = Math.min(Number(query.get('limit') ?? DEFAULT_LIMIT), state.maxPage);
  const page = matching.slice(from, from + limit);
  const next = new URLSearchParams(query);
  next.set('marker', page.at(-1)?.id ?? '');
  const more = page.length > 0 && page.length === limit;
  return {
    status: 200,
    body: {
      images: page.map(view),
      first: '/v2/images',
      schema: '/v2/schemas/images',
      ...(more ? { next: `/v2/images?${next}` } : {}),
    },
  };
}

function view({ id, name, status, adminUser, hidden }: ImageRecord): unknown {
  return {
    id,
    name,
    status,
    visibility: 'public',
    os_hidden: hidden,
    disk_format: 'qcow2',
    container_format: 'bare',
    min_ram: 0,
    min_disk: 0,
    tags: [],
    self: `/v2/images/${id}`,
    ...(adminUser === null ? {} : { os_admin_user: adminUser }),
  };
}
