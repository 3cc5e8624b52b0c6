/** The embedded OpenStack, and providers for it like those of successive daemons. */
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readPublicKey } from '../../../src/adapters/openssh/key-file.ts';
import { Calls } from '../../../src/adapters/openstack/calls.ts';
import { planServer } from '../../../src/adapters/openstack/plan.ts';
import {
  OpenStackProvider,
  type OpenStackProviderOptions,
} from '../../../src/adapters/openstack/provider.ts';
import { KeystoneSession } from '../../../src/adapters/openstack/session/cloud-session.ts';
import { credentialsOf } from '../../../src/adapters/openstack/session/credentials.ts';
import { NodeMaintenance } from '../../../src/adapters/ssh/node-maintenance.ts';
import type { OpenStackProviderConfig } from '../../../src/config/config.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { CREDENTIALS } from '../../../src/demo/openstack/cloud-state.ts';
import { EmbeddedOpenStack } from '../../../src/demo/openstack/embedded-openstack.ts';
import type { EffectOf } from '../../../src/engine/ports/adapters.ts';
import type { Server } from '../../../src/machines/model/domain.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { NEVER } from '../../fixtures/never.ts';
import { findProgram } from '../../fixtures/programs.ts';
import { serverRequest } from '../../fixtures/server-request.ts';
import { realClock } from '../gerrit/site.ts';
import { NodeScratch } from '../ssh/scratch.ts';

export class CloudSetup {
  readonly cloud: EmbeddedOpenStack;
  readonly #root = mkdtempSync(join(tmpdir(), 'sos-ci-lab-'));
  readonly #scratches: NodeScratch[] = [];
  readonly #sessions: KeystoneSession[] = [];

  private constructor(cloud: EmbeddedOpenStack) {
    this.cloud = cloud;
  }

  static async start(): Promise<CloudSetup> {
    const setup = new CloudSetup(await EmbeddedOpenStack.start(findProgram('sshd') ?? ''));
    const { privateKey } = makeKeyPair('sos-ci');
    writeFileSync(setup.keyFile, privateKey, { mode: 0o600 });
    return setup;
  }

  get keyFile(): string {
    return join(this.#root, 'key');
  }

  /** The servers whose host keys are pinned. */
  get pinned(): readonly string[] {
    const directories = this.#scratches.map(({ stateDir }) => join(stateDir, 'host-keys'));
    return directories
      .filter((directory) => existsSync(directory))
      .flatMap((directory) => readdirSync(directory));
  }

  /** The public half of the provider's `ssh.key`. */
  async publicKey(): Promise<string> {
    return (await readPublicKey(this.keyFile, { setting: 'ssh.key', addTo: 'to the server' })).line;
  }

  /** The account that a provider with this configuration uses for its login. */
  async loginUser(change: Partial<OpenStackProviderConfig> = {}): Promise<string> {
    const { config, session } = this.#parts(change);
    return (await planServer(new Calls(session), config, NEVER)).user;
  }

  provider(
    change: Partial<OpenStackProviderConfig> = {},
    options: Partial<Omit<OpenStackProviderOptions, 'config' | 'session' | 'access'>> = {},
  ): OpenStackProvider {
    return new OpenStackProvider({ ...this.#parts(change), clock: realClock, ...options });
  }

  /** Writes a file with this text. */
  file(text: string): string {
    const file = join(this.#root, 'file');
    writeFileSync(file, text);
    return file;
  }

  /** A configuration with the provider `lab`, whose credentials are in an openrc file. */
  configFile(provider: Readonly<Record<string, unknown>> = {}): string {
    const { id, secret } = CREDENTIALS.applicationCredential;
    writeFileSync(
      join(this.#root, 'openrc'),
      [
        `export OS_AUTH_URL=${this.cloud.authUrl}`,
        `export OS_APPLICATION_CREDENTIAL_ID=${id}`,
        `export OS_APPLICATION_CREDENTIAL_SECRET='${secret}'`,
      ].join('\n'),
    );
    const { port } = this.cloud.guests;
    const ssh = { key: this.keyFile, port, directory: join(this.#root, 'nodes') };
    const cloud = { type: 'openstack', slots: 2, openrc: join(this.#root, 'openrc') };
    const names = { image: 'ubuntu-24.04', flavor: 'm1.small', networks: 'private' };
    const file = join(this.#root, 'sos-ci.yaml');
    const config = {
      gerrit: { host: '127.0.0.1', user: 'ci', key: this.keyFile },
      providers: { lab: { ...cloud, ...names, ssh, ...provider } },
      jobs: { unit: { project: 'p', testing: { command: ['true'], exitCodeIsResult: true } } },
    };
    writeFileSync(file, JSON.stringify(config));
    return file;
  }

  /** The resources that are left in the cloud, of all owners. */
  get left(): Left {
    const { servers, ports, floating, keyPairs, volumes } = this.cloud.state;
    const alive = [...servers.values()].filter(({ deleting }) => !deleting);
    return {
      servers: alive.map(({ metadata }) => metadata['sos-ci'] ?? ''),
      ports: [...ports.values()].map(({ description }) => description),
      floating: [...floating.values()].map(({ description }) => description),
      keyPairs: [...keyPairs.keys()],
      volumes: [...volumes.values()].map(({ metadata }) => metadata['sos-ci'] ?? ''),
    };
  }

  /** Adds foreign resources with the name and tag of our server, and each of these texts instead of our mark. */
  addSimilarResources(ownServer: Server, texts: readonly string[]): void {
    const { state } = this.cloud;
    const { name } = ownServer;
    const server = state.servers.get(ownServer.id);
    const [network] = state.networks;
    const floating = [...state.floating.values()][0];
    const volume = [...state.volumes.values()][0];
    if (!server || !network || !floating || !volume) throw new Error('the cloud has no server of ours');
    for (const [index, text] of texts.entries()) {
      const id = `similar-${index}`;
      const metadata = { 'sos-ci': text };
      state.servers.set(id, {
        ...server,
        id,
        metadata,
        tags: new Set(server.tags),
        portIds: [],
        guest: null,
      });
      state.addPort(network, { name, description: text });
      state.floating.set(id, { ...floating, id, address: `${id}.invalid`, portId: null, description: text });
      state.volumes.set(id, { ...volume, id, metadata, serverId: null, status: 'available' });
      state.keyPairs.set(text, { name: text, publicKey: '', created: '' });
    }
  }

  async stop(): Promise<void> {
    for (const session of this.#sessions) session.close();
    for (const scratch of this.#scratches) await scratch.close();
    await this.cloud.stop();
    rmSync(this.#root, { recursive: true, force: true });
  }

  #parts(change: Partial<OpenStackProviderConfig>) {
    const { port } = this.cloud.guests;
    const login = { keyFile: this.keyFile, user: 'nobody', port };
    const scratch = new NodeScratch(login, { connectTimeoutMs: 5_000 });
    this.#scratches.push(scratch);
    const { config: ssh, stateDir, nodes, disk } = scratch;
    const config: OpenStackProviderConfig = {
      ...{ type: 'openstack', name: 'lab', slots: 4, ssh },
      ...{ node: { user: null, port, directory: disk }, cloud: null, openrcFile: null },
      ...{ image: 'ubuntu-24.04', flavor: 'm1.small', networks: ['private'], floatingNetwork: null },
      ...{
        schedulerHints: {},
        keyPair: null,
        securityGroups: [],
        availabilityZone: null,
        configDrive: false,
        userDataFile: null,
      },
      ...{ bootVolumeGb: null, deleteTimeoutMs: 30_000 },
      ...change,
    };
    const session = new KeystoneSession(() => this.#credentials(), realClock);
    this.#sessions.push(session);
    const access = new NodeMaintenance({ stateDir, nodes, ...STAGE_BOUNDS });
    return { config, session, access };
  }

  #credentials() {
    const { id, secret } = CREDENTIALS.applicationCredential;
    const fields = {
      auth_url: this.cloud.authUrl,
      application_credential_id: id,
      application_credential_secret: secret,
    };
    const values = new Map(Object.entries(fields).map(([name, value]) => [name, { value, where: name }]));
    return credentialsOf({ source: 'the test cloud', values, environment: {} });
  }
}

interface Left {
  readonly servers: readonly string[];
  readonly ports: readonly string[];
  readonly floating: readonly string[];
  readonly keyPairs: readonly string[];
  readonly volumes: readonly string[];
}

export const EMPTY: Left = { servers: [], ports: [], floating: [], keyPairs: [], volumes: [] };

/** Lists and deletes all servers, like the engine. */
export async function removeAll(provider: OpenStackProvider): Promise<void> {
  for (const { server } of await provider.list({ deployment: 'ours' }, NEVER)) {
    await provider.delete(server, 'ours', NEVER);
  }
  const left = await provider.list({ deployment: 'ours' }, NEVER);
  if (left.length > 0) throw new Error(`still listed: ${left.map(({ server }) => server.name).join(', ')}`);
}

export function request(change: Partial<EffectOf<'createServer'>> = {}): EffectOf<'createServer'> {
  return { ...serverRequest('job-1'), ...change };
}
