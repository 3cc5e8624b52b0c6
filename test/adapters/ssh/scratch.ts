/** The setup of tests with nodes: a real sshd, a directory as the disk of the node, and a state directory. */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { mkdir, readFile, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readTap } from '../../../src/adapters/results/tap.ts';
import { runDirectory } from '../../../src/adapters/run/run-directory.ts';
import { formatAddress } from '../../../src/adapters/ssh/address.ts';
import { NodePool } from '../../../src/adapters/ssh/node-pool.ts';
import { SshRunner, type SshRunnerOptions } from '../../../src/adapters/ssh/runner.ts';
import type { SshConfig } from '../../../src/config/config.ts';
import type { ScriptStage, Server, Stage, StageSpec } from '../../../src/machines/model/domain.ts';
import { STAGE_BOUNDS } from '../../fixtures/bounds.ts';
import { killProcessesIn, PATCHSET, type RunStage } from '../local/scratch.ts';

export interface SshEndpoint {
  readonly port: number;
  readonly user: string;
  readonly keyFile: string;
}

let numbers = 0;

export function sshConfig(keyFile: string, change: Partial<SshConfig> = {}): SshConfig {
  return {
    keyFile,
    knownHostsFile: null,
    connectTimeoutMs: 10_000,
    keepaliveMs: 5_000,
    keepaliveMax: 3,
    backoffMinMs: 50,
    backoffMaxMs: 500,
    commandTimeoutMs: 20_000,
    reconnectTimeoutMs: 60_000,
    idleMs: 60_000,
    pollIntervalMs: 60_000,
    ...change,
  };
}

export class NodeScratch {
  readonly root = realpathSync(mkdtempSync(join(tmpdir(), 'sos-ci-node-')));
  readonly stateDir = join(this.root, 'state');
  /** The disk of the node. */
  readonly disk = join(this.root, 'node');
  readonly config: SshConfig;
  readonly nodes: NodePool;
  readonly #endpoint: SshEndpoint;

  constructor(endpoint: SshEndpoint, change: Partial<SshConfig> = {}) {
    this.#endpoint = endpoint;
    this.config = sshConfig(endpoint.keyFile, change);
    this.nodes = this.newNodes();
    mkdirSync(this.disk, { recursive: true });
  }

  /** A new pool with its own connections, like that of another daemon. */
  newNodes(): NodePool {
    return new NodePool({ stateDir: this.stateDir, configOf: () => this.config });
  }

  runner(options: Partial<SshRunnerOptions> = {}): SshRunner {
    const { stateDir, nodes } = this;
    const redact = { values: [] };
    return new SshRunner({
      stateDir,
      nodes,
      readResults: (_format, chunks) => readTap(chunks),
      redact,
      ...STAGE_BOUNDS,
      killTimeoutMs: 5_000,
      ...options,
    });
  }

  /** A new server with an empty work tree. */
  server(port = this.#endpoint.port): Server {
    numbers += 1;
    const id = `node-${process.pid}-${numbers}`;
    const directory = join(this.disk, id);
    for (const name of ['tree', 'home', 'tmp']) mkdirSync(join(directory, name), { recursive: true });
    const address = formatAddress({ user: this.#endpoint.user, host: '127.0.0.1', port, directory });
    return { id, name: `server-${numbers}`, address, provider: 'lab' };
  }

  request(argv: readonly string[], more: Partial<StageSpec> = {}, stage: Stage = 'testing'): RunStage {
    const server = this.server();
    const owner = { deployment: 'ours', job: `job-${process.pid}-${numbers}`, attempt: 1 };
    const spec: StageSpec = { argv, timeoutMs: 120_000, outputLimitBytes: 1024 * 1024, ...more };
    const run = { server, owner, stage };
    return { type: 'runStage', key: 'r', run, spec, patchset: PATCHSET, name: 'unit' };
  }

  /** A stage with this shell script; `$1` is the root directory of the test. */
  script(text: string, more: Partial<StageSpec> = {}, stage: Stage = 'testing'): RunStage {
    return this.request(['sh', '-c', text, 'sh', this.root], more, stage);
  }

  /** A stage that runs a script of this host. */
  scriptOf(script: ScriptStage['script']): RunStage {
    return { ...this.request([]), spec: { script, timeoutMs: 120_000, outputLimitBytes: 1024 * 1024 } };
  }

  /** The server's directory on the node. */
  serverDirectory(server: Server): string {
    return join(this.disk, server.id);
  }

  /** The run's directory on the node. */
  nodeRunDirectory(request: RunStage): string {
    const { server, owner, stage } = request.run;
    return join(this.serverDirectory(server), 'runs', String(owner.attempt), stage);
  }

  /** The copy of the run's directory on this host. */
  localRunDirectory(request: RunStage): string {
    return runDirectory(this.stateDir, request.run.owner, request.run.stage);
  }

  log(request: RunStage): Promise<string> {
    return readFile(join(this.localRunDirectory(request), 'log'), 'latin1');
  }

  /** Writes a file atomically. */
  async put(name: string, text: string): Promise<void> {
    await mkdir(this.root, { recursive: true });
    await writeFile(join(this.root, `${name}.part`), text);
    await rename(join(this.root, `${name}.part`), join(this.root, name));
  }

  async close(): Promise<void> {
    await this.nodes.close();
    await killProcessesIn(this.root);
    rmSync(this.root, { recursive: true, force: true });
  }
}
