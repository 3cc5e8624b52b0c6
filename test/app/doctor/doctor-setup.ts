/**
 * A setup in which all checks of doctor pass: an embedded Gerrit, a real sshd as the node, a web server for the logs,
 * and a configuration.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { systemClock } from '../../../src/adapters/clock/system.ts';
import type { Finding } from '../../../src/app/doctor/finding.ts';
import { runChecks } from '../../../src/app/doctor/run-checks.ts';
import type { Config, DoctorConfig } from '../../../src/config/config.ts';
import { loadConfig } from '../../../src/config/load.ts';
import { EmbeddedGerrit, type NewAccount } from '../../../src/demo/gerrit/embedded-gerrit.ts';
import { makeKeyPair } from '../../../src/demo/gerrit/key-pair.ts';
import type { Clock } from '../../../src/engine/ports/adapters.ts';
import { addChange } from '../../demo/gerrit/example-site.ts';
import { WebServer } from '../../fakes/web-server.ts';
import { Sshd } from '../../fixtures/sshd.ts';

export const HTTP_PASSWORD = 'correct horse battery';
const PROJECT = 'openstack/cinder';
/** Limits that pass on a host with little free space. */
const LIMITS = { diskFreeBytes: 1024, nodeDiskFreeBytes: 1024, streamWaitMs: 200 };

type Tree = { readonly [key: string]: unknown };

export class DoctorSetup {
  readonly dir = mkdtempSync(join(tmpdir(), 'sos-ci-doctor-'));
  readonly gerrit: EmbeddedGerrit;
  readonly sshd: Sshd;
  readonly #account: NewAccount;
  readonly #logs: WebServer;

  private constructor(sshd: Sshd, logs: WebServer) {
    const { privateKey, publicKey } = makeKeyPair('acme-ci');
    this.sshd = sshd;
    this.#logs = logs;
    this.#account = {
      username: 'acme-ci',
      name: 'Acme CI',
      publicKeys: [publicKey],
      mayStream: true,
      labels: { Verified: [-1, 1] },
      httpPassword: HTTP_PASSWORD,
    };
    this.gerrit = new EmbeddedGerrit({
      directory: join(this.dir, 'git'),
      accounts: [this.#account, { username: 'dev' }],
    });
    this.write('key', privateKey, 0o600);
    this.write('http-password', HTTP_PASSWORD, 0o600);
    mkdirSync(join(this.dir, 'state'), { mode: 0o700 });
  }

  static async start(): Promise<DoctorSetup> {
    const setup = new DoctorSetup(await Sshd.start(), await WebServer.start());
    await setup.gerrit.start();
    setup.write('known_hosts', setup.gerrit.knownHosts);
    const dev = setup.gerrit.state.accounts.get('dev');
    if (dev === undefined) throw new Error('no account dev');
    addChange(setup.gerrit.state, dev, PROJECT);
    return setup;
  }

  async stop(): Promise<void> {
    await Promise.all([this.gerrit.stop(), this.sshd.close(), this.#logs.close()]);
    rmSync(this.dir, { recursive: true, force: true });
  }

  write(name: string, text: string, mode = 0o644): string {
    const path = join(this.dir, name);
    writeFileSync(path, text, { mode });
    return path;
  }

  /** Changes these fields of the account. */
  account(change: Partial<NewAccount>): void {
    this.gerrit.setAccount({ ...this.#account, ...change });
  }

  /** A correct configuration, into which `change` is merged; undefined removes a key. */
  config(change: Tree = {}): Config {
    const file = this.write('sos-ci.yaml', JSON.stringify(merged(this.#correct(), change)));
    return loadConfig(file);
  }

  async findings(
    change: Tree = {},
    clock: Clock = systemClock,
    limits: Partial<DoctorConfig> = {},
  ): Promise<readonly Finding[]> {
    return this.examine(this.config(change), clock, limits);
  }

  examine(config: Config, clock: Clock, limits: Partial<DoctorConfig> = {}): Promise<readonly Finding[]> {
    return runChecks({ ...config, doctor: { ...config.doctor, ...LIMITS, ...limits } }, clock);
  }

  /** Names of all files here. */
  files(): readonly string[] {
    return readdirSync(this.dir, { recursive: true, encoding: 'utf8' }).sort();
  }

  #correct(): Tree {
    const { gerrit, sshd } = this;
    const [type = '', key = ''] = sshd.hostKey.split(' ');
    return {
      gerrit: {
        host: gerrit.host,
        port: gerrit.port,
        user: 'acme-ci',
        name: 'Acme CI',
        key: './key',
        knownHosts: './known_hosts',
        rest: { url: gerrit.state.url, password: { file: './http-password' } },
      },
      report: { helpUrl: 'https://wiki.example.org/Acme_CI', label: 'Verified', success: 1, failure: -1 },
      logs: { url: this.#logs.url },
      providers: {
        nodes: {
          type: 'static',
          ssh: { key: sshd.keyFile, user: sshd.user, directory: join(this.dir, 'node') },
          hosts: { node1: { host: '127.0.0.1', port: sshd.port, hostKey: `${type} ${key}` } },
        },
      },
      jobs: { first: { project: PROJECT, testing: { command: ['true'], exitCodeIsResult: true } } },
    };
  }
}

function merged(correct: unknown, change: unknown): unknown {
  if (!isTree(correct) || !isTree(change)) return change;
  const keys = new Set([...Object.keys(correct), ...Object.keys(change)]);
  return Object.fromEntries(
    [...keys].map((key) => [key, key in change ? merged(correct[key], change[key]) : correct[key]]),
  );
}

function isTree(value: unknown): value is Tree {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
