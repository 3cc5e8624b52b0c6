/**
 * A real Gerrit on loopback, for tests and for `npm run demo:gerrit`. The first start of a version creates a site with
 * accounts, keys and projects and caches it; later starts copy it and are ready within seconds. All state is in the
 * given directory.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cp, mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import { fetchGerrit, type GerritVersion, JAVA_FOR } from './jars.ts';
import { findJava } from './java.ts';
import { freePort } from './ports.ts';
import { GerritProgram, type ProgramOptions } from './program.ts';
import { GerritRest } from './rest.ts';
import { PASSWORD, SEED_ACCOUNTS, SEED_NAME, seed } from './seed.ts';
import { configureSite, setInSite } from './site-config.ts';

export interface RealGerritOptions {
  /** Created for this server; contains all of its state. */
  readonly directory: string;
  readonly version: GerritVersion;
  /** True: full JIT compilation, for measurements. False: a quick start. */
  readonly optimize?: boolean;
}

/** The address of a server that another process has started: enough for everything but starting and stopping it. */
export interface GerritAddress {
  readonly directory: string;
  readonly version: GerritVersion;
  readonly port: number;
  readonly url: string;
}

const HOST = '127.0.0.1';
const CACHE = fileURLToPath(new URL('../../../.cache/gerrit/', import.meta.url));

export class RealGerrit {
  readonly host = HOST;
  /** SSH port. */
  readonly port: number;
  /** URL of the web pages and of REST. */
  readonly url: string;
  readonly version: GerritVersion;
  readonly directory: string;
  readonly #options: ProgramOptions | null;
  #program: GerritProgram | null = null;

  private constructor(address: GerritAddress, program: ProgramOptions | null) {
    this.directory = address.directory;
    this.version = address.version;
    this.port = address.port;
    this.url = address.url;
    this.#options = program;
  }

  /** A server that already runs, and that another process stops. */
  static at(address: GerritAddress): RealGerrit {
    return new RealGerrit(address, null);
  }

  /** Fetches the program into the cache, for a run without network access. */
  static async fetch(version: GerritVersion = '3.9.1'): Promise<void> {
    await fetchGerrit(CACHE, version);
  }

  /** Prepares a server that can be started. @throws Error that names what this machine lacks */
  static async make(options: RealGerritOptions): Promise<RealGerrit> {
    const program = await programFor(options);
    const template = await templateFor(program, options.version);
    await cp(template, options.directory, { recursive: true });
    const [port, http] = [await freePort(HOST), await freePort(HOST)];
    const url = `http://${HOST}:${http}`;
    const { directory, version } = options;
    const gerrit = new RealGerrit({ directory, version, port, url }, program);
    await configureSite(gerrit.#site, { host: HOST, sshPort: port, url });
    const [type = '', key = ''] = readFileSync(
      gerrit.#path('site/etc/ssh_host_ed25519_key.pub'),
      'utf8',
    ).split(' ');
    writeFileSync(gerrit.knownHostsFile, `[${HOST}]:${port} ${type} ${key}\n`);
    return gerrit;
  }

  /** Changes settings of gerrit.config, for the next start. */
  async set(settings: Readonly<Record<string, string>>): Promise<void> {
    await setInSite(this.#site, settings);
  }

  async start(): Promise<void> {
    if (this.#options === null) throw new Error('this Gerrit belongs to another process');
    this.#program = await GerritProgram.start(this.#options, this.#site);
  }

  async stop(): Promise<void> {
    const program = this.#program;
    this.#program = null;
    await program?.stop();
  }

  /** Stops it as a crash of the host would. */
  async kill(): Promise<void> {
    const program = this.#program;
    this.#program = null;
    await program?.kill();
  }

  suspend(): void {
    this.#program?.suspend();
  }

  resume(): void {
    this.#program?.resume();
  }

  get address(): GerritAddress {
    const { directory, version, port, url } = this;
    return { directory, version, port, url };
  }

  get pid(): number {
    return this.#program?.pid ?? 0;
  }

  /** The end of the server's output, for a failed test. */
  get output(): string {
    return this.#program?.output ?? '';
  }

  get knownHostsFile(): string {
    return this.#path('known_hosts');
  }

  keyFile(username: string): string {
    return this.#path(`keys/${username}`);
  }

  /** The REST API as this account uses it. */
  as(username: string): GerritRest {
    return new GerritRest(this.url, username, PASSWORD);
  }

  get #site(): string {
    return this.#path('site');
  }

  #path(name: string): string {
    return path.join(this.directory, name);
  }
}

async function programFor({ version, optimize = false }: RealGerritOptions): Promise<ProgramOptions> {
  const java = findJava(JAVA_FOR[version]);
  if (java === null) {
    throw new Error(
      `Gerrit ${version} needs Java ${JAVA_FOR[version]} or later: install one, or name it in JAVA`,
    );
  }
  return { java: java.program, classPath: await fetchGerrit(CACHE, version), optimize };
}

/** A seeded, cleanly stopped site of this version, and its keys. */
async function templateFor(program: ProgramOptions, version: GerritVersion): Promise<string> {
  const template = path.join(CACHE, `${version}-${SEED_NAME}`);
  if (existsSync(template)) return template;
  await mkdir(CACHE, { recursive: true });
  const fresh = await mkdtemp(path.join(CACHE, 'new-'));
  try {
    await makeTemplate(program, fresh);
    // Another process may have created the same template in the meantime.
    await rename(fresh, template).catch((error: unknown) => {
      if (!existsSync(template)) throw error;
    });
  } finally {
    await rm(fresh, { recursive: true, force: true });
  }
  return template;
}

async function makeTemplate(program: ProgramOptions, directory: string): Promise<void> {
  const site = path.join(directory, 'site');
  const keys = new Map(
    ['admin', ...SEED_ACCOUNTS.map(({ username }) => username)].map((name) => [name, makeKeyPair(name)]),
  );
  mkdirSync(path.join(directory, 'keys'), { mode: 0o700 });
  for (const [name, { privateKey, publicKey }] of keys) {
    writeFileSync(path.join(directory, 'keys', name), privateKey, { mode: 0o600 });
    writeFileSync(path.join(directory, 'keys', `${name}.pub`), `${publicKey}\n`);
  }
  await GerritProgram.initialize(program, site);
  const url = `http://${HOST}:${await freePort(HOST)}`;
  await configureSite(site, { host: HOST, sshPort: await freePort(HOST), url });
  const running = await GerritProgram.start(program, site);
  try {
    await seed(new GerritRest(url, 'admin', PASSWORD), (username) => keys.get(username)?.publicKey ?? '');
  } finally {
    await running.stop();
  }
  // Not needed: the program comes from the class path.
  for (const name of ['bin', 'logs', 'tmp'])
    await rm(path.join(site, name), { recursive: true, force: true });
  for (const name of ['logs', 'tmp']) await mkdir(path.join(site, name));
}
