/**
 * Measures the time from Nova's ACTIVE to the first byte of a stage's output on the embedded OpenStack, against a
 * hand-written sequence of ssh and scp; and how 20 servers at once compare with one. Both sides wait for cloud-init,
 * take the same commit to the server and run the same command there, which prints the time.
 */
import { execFile, execFileSync } from 'node:child_process';
import { setMaxListeners } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { runDirectory } from '../src/adapters/run/run-directory.ts';
import { BundleSource } from '../src/adapters/ssh/bundle-source.ts';
import { SshRunner } from '../src/adapters/ssh/runner.ts';
import { buildProviders } from '../src/app/build-providers.ts';
import { loadConfig } from '../src/config/load.ts';
import type { EmbeddedOpenStack } from '../src/demo/openstack/embedded-openstack.ts';
import { CloudSetup } from '../test/adapters/openstack/cloud-setup.ts';
import { STAGE_BOUNDS } from '../test/fixtures/bounds.ts';
import { findProgram } from '../test/fixtures/programs.ts';
import { serverRequest } from '../test/fixtures/server-request.ts';
import { PATCHSET } from '../test/machines/facts.ts';
import { inTurns, median, ms, pooled, type Result, ratioOf, timed } from './measure.ts';
import { withScratchDirectory } from './system.ts';

const NEVER = new AbortController().signal;
// All servers wait with it at once.
setMaxListeners(0, NEVER);
const LIMITS = { timeoutMs: 60_000, outputLimitBytes: 65_536 };
/** Prints milliseconds since 1970. */
const CLOCK = ['date', '+%s%3N'];
const execute = promisify(execFile);

export async function servers(smoke: boolean): Promise<readonly Result[]> {
  if (findProgram('sshd') === null || findProgram('ssh') === null) {
    console.error('servers: sshd or ssh is not installed; .ci/run installs them');
    return [];
  }
  const setup = await CloudSetup.start();
  Object.assign(setup.cloud.state.quotas, { instances: 100, cores: 400, ram: 2 ** 20, keyPairs: 1_000 });
  try {
    return await withScratchDirectory((directory) => measure(setup, directory, smoke));
  } finally {
    await setup.stop();
  }
}

async function measure(setup: CloudSetup, directory: string, smoke: boolean): Promise<readonly Result[]> {
  const repository = makeRepository(directory);
  const product = new Product(setup, repository);
  const byHand = new ByHand(setup, repository, directory);
  const [rounds, many] = smoke ? [1, 2] : [15, 20];
  try {
    const single = await inTurns(rounds, { product: () => product.run(), byHand: () => byHand.run() });
    const [processor, memory] = [process.cpuUsage(), process.memoryUsage.rss()];
    let peak = memory;
    const crowds = await inTurns(smoke ? 1 : 5, {
      one: () => timed(() => product.run()),
      many: async () => {
        const elapsed = await timed(() => Promise.all(Array.from({ length: many }, () => product.run())));
        peak = Math.max(peak, process.memoryUsage.rss());
        return elapsed / many;
      },
    });
    const { user, system } = process.cpuUsage(processor);
    const ran = crowds.length * (many + 1);
    const times = (side: string) => ms(median(pooled(crowds, side)));
    return [
      {
        benchmark: 'servers',
        what: "ACTIVE to the first byte of a stage's output",
        against: 'the same with ssh and scp',
        ...ratioOf(single, 'product', 'byHand'),
        note: `p50 ${ms(median(pooled(single, 'product')))} and ${ms(median(pooled(single, 'byHand')))}`,
      },
      {
        benchmark: 'servers',
        what: `${many} servers at once, each from the request to the end of its stage`,
        against: 'one alone',
        ...ratioOf(crowds, 'many', 'one'),
        note:
          `${times('many')} for each and ${times('one')}; ${ms((user + system) / 1_000 / ran)} of CPU time for each and ` +
          `${Math.round((peak - memory) / 2 ** 20)} MiB more, with the embedded OpenStack in the same process`,
      },
    ];
  } finally {
    await product.close();
  }
}

interface Repository {
  readonly directory: string;
  readonly revision: string;
}

/** One commit with 100 files. */
function makeRepository(parent: string): Repository {
  const directory = join(parent, 'repository');
  mkdirSync(directory);
  const git = (...argv: string[]) => execFileSync('git', argv, { cwd: directory, encoding: 'utf8' }).trim();
  git('init', '--quiet');
  for (let number = 0; number < 100; number += 1)
    execFileSync('sh', ['-c', 'seq "$1" > "$1"', 'sh', String(number)], { cwd: directory });
  git('add', '--all');
  git('-c', 'user.name=bench', '-c', 'user.email=bench@example.org', 'commit', '--quiet', '-m', 'Files');
  const revision = git('rev-parse', 'HEAD');
  git('update-ref', `refs/sos-ci/trees/${revision}`, revision);
  return { directory, revision };
}

async function bundle({ directory, revision }: Repository, file: string): Promise<void> {
  const argv = ['bundle', 'create', '--quiet', file, `refs/sos-ci/trees/${revision}`];
  await execute('git', argv, { cwd: directory });
}

/** The product's provider, source and runner. */
class Product {
  readonly #stateDir: string;
  readonly #built: ReturnType<typeof buildProviders>;
  readonly #source: BundleSource;
  readonly #runner: SshRunner;
  readonly #revision: string;
  #activeAt = 0;

  constructor(setup: CloudSetup, repository: Repository) {
    const config = loadConfig(setup.configFile({ slots: 100 }));
    this.#stateDir = config.stateDir;
    this.#revision = repository.revision;
    const alarms = { raise: async () => undefined };
    this.#built = buildProviders(config, undefined, alarms, null, (step) => {
      if (step === 'ACTIVE') this.#activeAt = Date.now();
    });
    const { nodes } = this.#built;
    this.#source = new BundleSource({
      stateDir: this.#stateDir,
      nodes,
      bundleTree: (_tree, file) => bundle(repository, file),
      bundlePatchset: (_patchset, file) => bundle(repository, file),
    });
    this.#runner = new SshRunner({
      ...STAGE_BOUNDS,
      stateDir: this.#stateDir,
      nodes,
      readResults: async () => ({ unreadable: 'there are none' }),
      redact: { values: [] },
    });
  }

  /** Milliseconds from ACTIVE to the first byte. */
  async run(): Promise<number> {
    const provider = this.#built.set.providers.get('lab');
    if (provider === undefined) throw new Error('there is no provider');
    const request = serverRequest();
    const { owner } = request;
    const server = await provider.create(request, NEVER);
    const patchset = { ...PATCHSET, revision: this.#revision };
    await this.#source.fetch(
      { type: 'fetchPatchset', key: 'f', server, patchset, trees: [], ...LIMITS },
      NEVER,
    );
    const run = { server, owner, stage: 'testing' } as const;
    const spec = { argv: CLOCK, ...LIMITS };
    const stage = { type: 'runStage', key: 'r', run, spec, patchset, name: 'bench' } as const;
    await (await this.#runner.start(stage, NEVER)).ended;
    const log = readFileSync(join(runDirectory(this.#stateDir, owner, 'testing'), 'log'), 'utf8');
    await provider.delete(server, owner.deployment, NEVER);
    return Number(log) - this.#activeAt;
  }

  async close(): Promise<void> {
    await this.#built.nodes.close();
  }
}

/** What an engineer would write down: one ssh after the other. */
class ByHand {
  readonly #setup: CloudSetup;
  readonly #repository: Repository;
  readonly #directory: string;
  #servers = 0;

  constructor(setup: CloudSetup, repository: Repository, directory: string) {
    this.#setup = setup;
    this.#repository = repository;
    this.#directory = directory;
  }

  /** Milliseconds from ACTIVE to the first byte. */
  async run(): Promise<number> {
    this.#servers += 1;
    const { cloud, keyFile } = this.#setup;
    const [user, publicKey] = [await this.#setup.loginUser(), await this.#setup.publicKey()];
    const { id, address } = await bootServer(cloud, `by-hand-${this.#servers}`, publicKey);
    const begin = Date.now();
    const known = join(this.#directory, `known-hosts-${this.#servers}`);
    const options = ['-F', '/dev/null', '-i', keyFile, '-o', `UserKnownHostsFile=${known}`];
    const common = [...options, '-o', 'StrictHostKeyChecking=accept-new', '-o', 'BatchMode=yes'];
    const ssh = async (...argv: string[]) => {
      const port = String(cloud.guests.port);
      return (await execute('ssh', [...common, '-p', port, `${user}@${address}`, ...argv])).stdout;
    };
    while (!(await ssh('true').then(...SUCCESS))) await pause(100);
    await ssh('cloud-init', 'status', '--wait');
    const file = join(this.#directory, 'by-hand.bundle');
    await bundle(this.#repository, file);
    const tree = join(this.#directory, `by-hand-${this.#servers}`);
    await ssh('mkdir', tree);
    const port = String(cloud.guests.port);
    await execute('scp', ['-q', ...common, '-P', port, file, `${user}@${address}:${tree}/bundle`]);
    const { revision } = this.#repository;
    const ref = `refs/sos-ci/trees/${revision}`;
    await ssh(`cd ${tree} && git init -q . && git fetch -q bundle ${ref} && git checkout -q ${revision}`);
    const printed = await ssh(`cd ${tree} && ${CLOCK.join(' ')}`);
    await call(cloud, 'DELETE', `servers/${id}`);
    return Number(printed) - begin;
  }
}

const SUCCESS = [() => true, () => false] as const;

/** Orders a server and waits until Nova shows it as ACTIVE, with its address. */
async function bootServer(cloud: EmbeddedOpenStack, name: string, publicKey: string) {
  const { state } = cloud;
  const network = state.networks.find((one) => one.name === 'private');
  await call(cloud, 'POST', 'os-keypairs', { keypair: { name, public_key: publicKey } });
  const wanted = {
    name,
    key_name: name,
    imageRef: state.images[0]?.id,
    flavorRef: state.flavors[0]?.id,
    networks: [{ uuid: network?.id }],
  };
  const { server } = (await call(cloud, 'POST', 'servers', { server: wanted })) as { server: { id: string } };
  for (;;) {
    const { server: seen } = (await call(cloud, 'GET', `servers/${server.id}`)) as {
      server: { status: string; addresses: Record<string, readonly { addr: string }[]> };
    };
    const address = seen.addresses.private?.[0]?.addr;
    if (seen.status === 'ACTIVE' && address !== undefined) return { id: server.id, address };
    await pause(100);
  }
}

/** Calls the embedded Nova with a token of its state. */
async function call(
  cloud: EmbeddedOpenStack,
  method: string,
  path: string,
  body?: unknown,
): Promise<unknown> {
  const [token] = cloud.state.tokens.keys();
  const response = await fetch(`${cloud.service('compute').origin}/v2.1/${path}`, {
    method,
    headers: { 'x-auth-token': token ?? '', 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
  return text === '' ? null : JSON.parse(text);
}
