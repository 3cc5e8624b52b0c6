/** The real OpenStack through its APIs, without sos-ci's client: shows its resources, and stops services for tests. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SCRIPTS = fileURLToPath(new URL('cloud', import.meta.url));
const IDENTITY = 'http://127.0.0.1:5000/v3';
const PASSWORD = 'cloud-secret';
const CALL_LIMIT_MS = 60_000;
const SCRIPT_LIMIT_MS = 120_000;
const PORTS = { compute: '8774/v2.1', network: '9696/v2.0', image: '9292/v2', volume: '8776/v3' } as const;

type Json = Readonly<Record<string, unknown>>;
export type Service = 'keystone' | 'nova' | 'neutron' | 'cinder' | 'swift';
const STARTS: Readonly<Record<Service, string>> = {
  keystone: 'identity',
  nova: 'compute',
  neutron: 'network',
  cinder: 'volume',
  swift: 'object',
};

/** The resources of a project, by kind, as the API shows them. */
export type Resources = Readonly<
  Record<'servers' | 'ports' | 'floatingips' | 'volumes' | 'keypairs', readonly Json[]>
>;

const LISTS = {
  servers: { service: 'compute', path: 'servers/detail' },
  ports: { service: 'network', path: 'ports' },
  floatingips: { service: 'network', path: 'floatingips' },
  volumes: { service: 'volume', path: 'volumes/detail' },
  keypairs: { service: 'compute', path: 'os-keypairs' },
} as const;

export class Cloud {
  readonly directory: string;
  #token: { readonly id: string; readonly project: string; readonly user: string } | null = null;
  readonly #user: string;

  /** @param user an account of the cloud, whose project has its name */
  constructor(user = 'lab', directory = process.env.CLOUD ?? '') {
    this.#user = user;
    this.directory = directory;
  }

  get cloudsYaml(): string {
    return join(this.directory, 'clouds.yaml');
  }

  get password(): string {
    return PASSWORD;
  }

  async call(service: keyof typeof PORTS, method: string, path: string, body?: Json): Promise<Json> {
    const { id, project } = await this.#login();
    const root = service === 'volume' ? `${PORTS.volume}/${project}` : PORTS[service];
    return (await send(method, `http://127.0.0.1:${root}/${path}`, id, body)).json;
  }

  /** @param path below Keystone's v3 */
  async identity(method: string, path: string, body?: Json): Promise<Json> {
    return (await send(method, `${IDENTITY}/${path}`, (await this.#login()).id, body)).json;
  }

  /** The URL of a container of the project. */
  async containerUrl(name: string): Promise<string> {
    return `http://127.0.0.1:8080/v1/AUTH_${await this.projectId()}/${name}`;
  }

  /** @param url of a container or an object */
  async swift(method: string, url: string, init: Pick<RequestInit, 'headers' | 'body'> = {}) {
    const headers = { 'x-auth-token': (await this.#login()).id, ...init.headers };
    const response = await fetch(url, {
      method,
      ...init,
      headers,
      signal: AbortSignal.timeout(CALL_LIMIT_MS),
    });
    if (!response.ok && response.status !== 404) throw new Error(`${method} ${url}: ${response.status}`);
    return response;
  }

  async projectId(): Promise<string> {
    return (await this.#login()).project;
  }

  async userId(): Promise<string> {
    return (await this.#login()).user;
  }

  async resources(): Promise<Resources> {
    return {
      servers: await this.list('servers'),
      ports: await this.list('ports'),
      floatingips: await this.list('floatingips'),
      volumes: await this.list('volumes'),
      keypairs: await this.list('keypairs'),
    };
  }

  async list(kind: keyof Resources): Promise<readonly Json[]> {
    const { service, path } = LISTS[kind];
    const query = service === 'network' ? `?project_id=${await this.projectId()}` : '';
    const items = (await this.call(service, 'GET', `${path}${query}`))[kind] as readonly Json[];
    if (kind === 'keypairs') return items.map(({ keypair }) => keypair as Json);
    return items.filter(({ device_owner: owner }) => !`${owner}`.startsWith('network:'));
  }

  /** All resources of the project, one line each. */
  async resourceLines(): Promise<readonly string[]> {
    const held = await this.resources();
    return Object.entries(held)
      .flatMap(([kind, items]) =>
        items.map((item) => `${kind} ${item.id ?? ''} ${item.name ?? ''} ${item.description ?? ''}`),
      )
      .sort();
  }

  /** The server whose job has begun its test stage, which leaves the file /tmp/testing. */
  async testing(): Promise<string | null> {
    const servers = await this.list('servers');
    const ready = servers.filter(({ metadata }) => (metadata as Json)['sos-ci-login'] !== undefined);
    for (const { id } of ready) {
      const file = this.guestFile(`${id}`, '/tmp/testing');
      if (file !== null && existsSync(file)) return `${id}`;
    }
    return null;
  }

  /** Releases a test stage that waits for the file /tmp/go. */
  go(id: string): void {
    const file = this.guestFile(id, '/tmp/go');
    if (file === null) throw new Error(`the server ${id} does not run`);
    writeFileSync(file, '');
  }

  /** Makes the catalogue name another port of this host for a service; call the result to undo it. */
  async moveEndpoint(type: string, port: number): Promise<() => Promise<void>> {
    const { services } = await this.identity('GET', `services?type=${type}`);
    const [service] = services as readonly Json[];
    const { endpoints } = await this.identity('GET', `endpoints?service_id=${service?.id}`);
    const all = endpoints as readonly Json[];
    const move = async (urlOf: (url: string) => string) => {
      for (const { id, url } of all)
        await this.identity('PATCH', `endpoints/${id}`, { endpoint: { url: urlOf(`${url}`) } });
    };
    await move((url) => url.replace(/:\d+/, `:${port}`));
    return () => move((url) => url);
  }

  /** Creates an application credential; replaces an older one of this name. */
  async applicationCredential(name: string): Promise<{ readonly id: string; readonly secret: string }> {
    const user = await this.userId();
    const path = `users/${user}/application_credentials`;
    const { application_credentials: old } = await this.identity('GET', `${path}?name=${name}`);
    for (const { id } of old as readonly Json[]) await this.identity('DELETE', `${path}/${id}`);
    const made = await this.identity('POST', path, { application_credential: { name } });
    return made.application_credential as { readonly id: string; readonly secret: string };
  }

  /** Empties the project, after a run that was interrupted. */
  async clear(): Promise<void> {
    const { servers, ports, floatingips, volumes, keypairs } = await this.resources();
    const remove = async (service: keyof typeof PORTS, path: string) => {
      await this.call(service, 'DELETE', path).catch(() => {});
    };
    for (const { id } of servers) await remove('compute', `servers/${id}`);
    for (const { id } of floatingips) await remove('network', `floatingips/${id}`);
    for (const { id } of ports) await remove('network', `ports/${id}`);
    for (const { id } of volumes) await remove('volume', `volumes/${id}`);
    for (const { name } of keypairs) await remove('compute', `os-keypairs/${encodeURIComponent(`${name}`)}`);
  }

  /** The path on this host of a file in a server's file system. Null: the server does not run. */
  guestFile(id: string, path: string): string | null {
    try {
      const leader = readFileSync(join(this.directory, 'guests', id, 'pid'), 'utf8');
      const [child = ''] = readFileSync(`/proc/${leader}/task/${leader}/children`, 'utf8').split(' ');
      return child === '' ? null : join(`/proc/${child}/root`, path);
    } catch {
      return null;
    }
  }

  /**
   * Does what Neutron's L3 agent does, which this cloud lacks: lets a floating IP of ours lead to its server. The
   * result is the address; null while there is none.
   */
  async routeFloatingAddress(): Promise<string | null> {
    const { servers, floatingips } = await this.resources();
    const found = floatingips.find(({ fixed_ip_address: fixed }) => typeof fixed === 'string');
    if (found === undefined) return null;
    const { floating_ip_address: floating, fixed_ip_address: fixed } = found;
    const server = servers.find(({ addresses }) => JSON.stringify(addresses).includes(`"${fixed}"`));
    if (server === undefined) return null;
    const leader = readFileSync(join(this.directory, 'guests', `${server.id}`, 'pid'), 'utf8');
    const network = `--net=/proc/${leader}/ns/net`;
    run('/usr/bin/nsenter', network, '/sbin/ip', 'address', 'replace', `${floating}/32`, 'dev', 'lo');
    run('/sbin/ip', 'route', 'replace', `${floating}/32`, 'via', `${fixed}`);
    return `${floating}`;
  }

  /** Sets a project's quota of servers; the result undoes it. For an administrator. */
  async limitServers(project: string, instances: number): Promise<() => Promise<void>> {
    const path = `os-quota-sets/${project}`;
    const { quota_set: before } = await this.call('compute', 'GET', path);
    await this.call('compute', 'PUT', path, { quota_set: { instances } });
    return async () => {
      await this.call('compute', 'PUT', path, { quota_set: { instances: (before as Json).instances } });
    };
  }

  /** Revokes every token of a user, by setting the user's password to the same value again. For an administrator. */
  async revokeTokens(user: string): Promise<void> {
    await this.identity('PATCH', `users/${user}`, { user: { password: PASSWORD } });
  }

  /** The next call logs in again. */
  forgetToken(): void {
    this.#token = null;
  }

  /** How often a service has refused a token. */
  refusals(service: 'nova' | 'neutron'): number {
    const log = readFileSync(join(this.directory, 'log', `${service}.log`), 'utf8');
    return log.split('\n').filter((line) => / status: 401 /.test(line)).length;
  }

  stop(service: Service): void {
    this.#script('down.sh', service);
  }

  start(service: Service): void {
    this.#script('up.sh', STARTS[service]);
  }

  #script(name: string, word: string): void {
    const env = { ...process.env, CLOUD: this.directory };
    const { status, stderr } = spawnSync(join(SCRIPTS, name), [word], {
      env,
      timeout: SCRIPT_LIMIT_MS,
      encoding: 'utf8',
    });
    if (status !== 0) throw new Error(`${name} ${word} ended with ${status}: ${stderr}`);
  }

  async #login(): Promise<{ readonly id: string; readonly project: string; readonly user: string }> {
    if (this.#token !== null) return this.#token;
    const domain = { id: 'default' };
    const user = { name: this.#user, password: PASSWORD, domain };
    const auth = {
      identity: { methods: ['password'], password: { user } },
      scope: { project: { name: this.#user, domain } },
    };
    const { headers, json } = await send('POST', `${IDENTITY}/auth/tokens`, '', { auth });
    const { project, user: who } = json.token as Readonly<
      Record<'project' | 'user', { readonly id: string }>
    >;
    this.#token = { id: headers.get('x-subject-token') ?? '', project: project.id, user: who.id };
    return this.#token;
  }
}

function run(program: string, ...words: readonly string[]): void {
  const { status, stderr } = spawnSync(program, words, { timeout: CALL_LIMIT_MS, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${words.join(' ')} ended with ${status}: ${stderr}`);
}

async function send(method: string, url: string, token: string, body?: Json) {
  const response = await fetch(url, {
    method,
    headers: {
      'content-type': 'application/json',
      'x-auth-token': token,
      // Only for Nova: Cinder would read it as its own microversion.
      ...(url.includes(`:${PORTS.compute}`) ? { 'openstack-api-version': 'compute 2.52' } : {}),
    },
    signal: AbortSignal.timeout(CALL_LIMIT_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${url}: ${response.status} ${text.slice(0, 500)}`);
  return { headers: response.headers, json: (text === '' ? {} : JSON.parse(text)) as Json };
}
