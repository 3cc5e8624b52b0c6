/**
 * An OpenStack on loopback: Keystone, Nova, Neutron, Glance and Cinder over HTTP, and servers that are scratch
 * directories behind a real sshd. One port for each service, which can be closed and opened again.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CloudState } from './cloud-state.ts';
import { answerCompute } from './compute-api.ts';
import { CloudFaults, type Fault } from './faults.ts';
import { Guests } from './guest.ts';
import { type HttpAnswer, type HttpRequest, HttpService } from './http-service.ts';
import { answerIdentity, type CatalogueEntry, unauthorized, validToken } from './identity-api.ts';
import { answerImage } from './image-api.ts';
import { answerNetwork } from './network-api.ts';
import { type ApiCall, ApiError, type ApiReply, type ServiceName } from './reply.ts';
import { answerVolume } from './volume-api.ts';

const TOKEN_LIFETIME_MS = 3_600_000;
const MAX_MINOR = 93;
const NAMES: readonly ServiceName[] = ['identity', 'compute', 'network', 'image', 'volume'];

export class EmbeddedOpenStack {
  readonly state = new CloudState();
  readonly faults = new CloudFaults();
  readonly guests: Guests;
  /** Every call that changes something, as `METHOD service path`, in order. */
  readonly changes: string[] = [];
  readonly #directory: string;
  readonly #services = new Map<ServiceName, HttpService>();

  private constructor(sshd: string, directory: string) {
    this.#directory = directory;
    this.guests = new Guests({ directory: join(this.#directory, 'guests'), sshd });
    for (const name of NAMES) {
      this.#services.set(name, new HttpService((request) => this.#serve(name, request), null));
    }
  }

  /** @param sshd the program's absolute path; @param parent the servers' directory is created in it and removed at the end */
  static async start(sshd: string, parent = tmpdir()): Promise<EmbeddedOpenStack> {
    const cloud = new EmbeddedOpenStack(sshd, await mkdtemp(join(parent, 'sos-ci-openstack-')));
    await cloud.guests.start();
    for (const name of NAMES) await cloud.service(name).open();
    return cloud;
  }

  async stop(): Promise<void> {
    this.faults.clear();
    await Promise.all(NAMES.map((name) => this.service(name).close()));
    await this.guests.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }

  get authUrl(): string {
    return `${this.service('identity').origin}/v3`;
  }

  service(name: ServiceName): HttpService {
    const service = this.#services.get(name);
    if (service === undefined) throw new Error(`no service ${name}`);
    return service;
  }

  /** The URL in the catalogue. Those of Nova and Cinder contain a version, the others do not. */
  #endpoint(name: ServiceName): string {
    const { origin } = this.service(name);
    if (name === 'compute') return `${origin}/v2.1`;
    return name === 'volume' ? `${origin}/v3/${this.state.projectId}` : origin;
  }

  #catalogue(): readonly CatalogueEntry[] {
    const entry = (service: ServiceName, type: string, name: string): CatalogueEntry => {
      return { type, name, service, url: this.#endpoint(service), interfaces: ['public'] };
    };
    return [
      entry('identity', 'identity', 'keystone'),
      entry('compute', 'compute', 'nova'),
      entry('network', 'network', 'neutron'),
      entry('image', 'image', 'glance'),
      entry('volume', 'volumev3', 'cinderv3'),
    ];
  }

  async #serve(service: ServiceName, request: HttpRequest): Promise<HttpAnswer | 'close'> {
    const { method, url, headers, body } = request;
    const version = /^\/v[\d.]+\/?$/.test(url.pathname);
    if (service === 'compute' && method === 'GET' && version) {
      const document = { id: 'v2.1', status: 'CURRENT', version: `2.${MAX_MINOR}`, min_version: '2.1' };
      return answerOf({ status: 200, body: { version: document } });
    }
    const path = pathBelow(url.pathname, service === 'volume' ? this.state.projectId : null);
    const fault = service === 'identity' ? null : this.faults.next({ service, method, path });
    if (fault !== null && fault.when !== 'after') return this.#failing(fault, null);
    const call: ApiCall = {
      ...{ service, method, path, body, headers },
      segments: path.split('/'),
      query: url.searchParams,
    };
    const reply = await this.#reply(call);
    if (method !== 'GET' && service !== 'identity') this.changes.push(`${method} ${service} ${path}`);
    return fault === null ? answerOf(reply) : this.#failing(fault, reply);
  }

  async #reply(call: ApiCall): Promise<ApiReply> {
    try {
      if (call.service !== 'identity' && validToken(this.state, call.headers['x-auth-token']) === null) {
        throw unauthorized();
      }
      return await this.#handle(call);
    } catch (error) {
      if (error instanceof ApiError) return error.reply;
      throw error;
    }
  }

  #handle(call: ApiCall): ApiReply | Promise<ApiReply> {
    const { state, guests } = this;
    const url = () => this.#endpoint(call.service);
    switch (call.service) {
      case 'identity': {
        const options = { tokenLifetimeMs: TOKEN_LIFETIME_MS, endpoints: () => this.#catalogue() };
        return answerIdentity(state, options, call);
      }
      case 'compute':
        return answerCompute(state, { maxMinor: MAX_MINOR, guests, url }, call);
      case 'network':
        return answerNetwork(state, { router: true, url }, call);
      case 'image':
        return answerImage(state, call);
      case 'volume':
        return answerVolume(state, call, url());
    }
  }

  #failing({ answer }: Fault, reply: ApiReply | null): Promise<HttpAnswer | 'close'> {
    if (answer === 'close') return Promise.resolve('close');
    if (answer === 'hang') {
      return new Promise((resolve) => this.faults.hold(() => resolve('close')));
    }
    if (answer === 'cut') {
      return Promise.resolve({
        ...answerOf(reply ?? { status: 200, body: { cut: 'in the middle' } }),
        cut: true,
      });
    }
    const { status, body = '', headers = {} } = answer;
    return Promise.resolve({
      status,
      headers: { 'content-type': 'application/json', ...headers },
      text: body,
    });
  }
}

function pathBelow(pathname: string, project: string | null): string {
  const path = pathname.replace(/^\/v[\d.]+\//, '').replace(/^\//, '');
  return project !== null && path.startsWith(`${project}/`) ? path.slice(project.length + 1) : path;
}

function answerOf({ status, body, html, headers = {} }: ApiReply): HttpAnswer {
  if (html !== undefined) return { status, headers: { 'content-type': 'text/html', ...headers }, text: html };
  const text = body === undefined ? '' : JSON.stringify(body);
  return { status, headers: { 'content-type': 'application/json', ...headers }, text };
}
