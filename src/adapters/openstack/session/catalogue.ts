/**
 * Finds the endpoint of a service in the catalogue, by type, interface and region. Endpoints come with and without a
 * version, and with and without the project.
 */
import { credentialsError } from './fields.ts';
import type { Service } from './session.ts';
import type { Endpoint, Token } from './token.ts';

/** In the order of preference. DevStack uses block-storage for Cinder, older clouds volumev3. */
const TYPES: Readonly<Record<Service, readonly string[]>> = {
  identity: ['identity'],
  compute: ['compute'],
  network: ['network'],
  image: ['image'],
  volume: ['block-storage', 'block-store', 'volumev3', 'volume'],
  object: ['object-store'],
};

/** The API version for an endpoint without one. */
const VERSIONS: Readonly<Record<Service, string>> = {
  identity: 'v3',
  compute: 'v2.1',
  network: 'v2.0',
  image: 'v2',
  volume: 'v3',
  object: 'v1',
};

const VERSION = /\/v(\d+)(?:\.\d+)?(?=\/|$)/;

export interface EndpointSelection {
  readonly source: string;
  readonly interface: string;
  readonly region: string | null;
}

/** The versioned endpoint without a slash at the end. @throws OperationError when there is none, or several regions */
export function endpointOf(service: Service, token: Token, wanted: EndpointSelection): string {
  const ofType = TYPES[service]
    .map((type) =>
      token.endpoints.filter((endpoint) => endpoint.type === type && isUsable(service, endpoint)),
    )
    .find((found) => found.length > 0);
  const { source, region } = wanted;
  if (ofType === undefined) {
    const types = unique(token.endpoints.map(({ type }) => type));
    throw credentialsError(
      source,
      `leads to a cloud without ${TYPES[service].join(', ')}; it has: ${types}`,
      'the cloud needs this service',
    );
  }
  const ofInterface = ofType.filter((endpoint) => endpoint.interface === wanted.interface);
  if (ofInterface.length === 0) {
    const known = unique(ofType.map((endpoint) => endpoint.interface));
    throw credentialsError(
      source,
      `wants the interface ${wanted.interface} of ${service}; the catalogue has: ${known}`,
      'correct interface',
    );
  }
  const ofRegion =
    region === null ? ofInterface : ofInterface.filter((endpoint) => endpoint.region === region);
  const regions = unique(ofInterface.map((endpoint) => endpoint.region ?? 'no region'));
  if (region === null && new Set(ofInterface.map((endpoint) => endpoint.region)).size > 1) {
    throw credentialsError(
      source,
      `names no region, and ${service} is in several: ${regions}`,
      'set region_name',
    );
  }
  const [endpoint] = ofRegion;
  if (endpoint === undefined) {
    throw credentialsError(
      source,
      `wants the region ${region} of ${service}; the catalogue has: ${regions}`,
      'correct region_name',
    );
  }
  if (!URL.canParse(endpoint.url) || !/^https?:$/.test(new URL(endpoint.url).protocol)) {
    throw credentialsError(
      source,
      `leads to a catalogue whose ${service} is at ${endpoint.url}`,
      'correct the catalogue',
    );
  }
  return versioned(service, endpoint.url, token.projectId);
}

/**
 * The type `volume` can also be Cinder's API version 1, which is different. A malformed URL is refused only where it is
 * the chosen one.
 */
function isUsable(service: Service, { url }: Endpoint): boolean {
  if (service !== 'volume' || !URL.canParse(url)) return true;
  const major = VERSION.exec(new URL(url).pathname)?.[1];
  return major === undefined || major === '3';
}

function versioned(service: Service, address: string, projectId: string | null): string {
  const url = address.replace(/\/+$/, '');
  if (VERSION.test(new URL(url).pathname)) return url;
  const root = `${url}/${VERSIONS[service]}`;
  // Every release of Cinder accepts the project in the path; only newer ones do not need it.
  return service === 'volume' ? `${root}/${projectId ?? ''}` : root;
}

/** The address of a version's own document: the endpoint without the project. */
export function versionRoot(endpoint: string): string {
  const url = new URL(endpoint);
  const match = VERSION.exec(url.pathname);
  const path = match === null ? url.pathname : url.pathname.slice(0, match.index + match[0].length);
  return `${url.origin}${path}/`;
}

function unique(names: readonly string[]): string {
  return [...new Set(names)].slice(0, 20).join(', ') || 'nothing';
}
