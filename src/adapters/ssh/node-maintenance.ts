/**
 * The operations of providers on a node before and after a job: create its directory, run an operator's command there,
 * and remove all leftovers of a server, processes first.
 */
import { randomBytes } from 'node:crypto';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContactListener } from '../../engine/ports/adapters.ts';
import { AbortedError, OperationError, raceAbort } from '../../errors.ts';
import type { Login, Server } from '../../machines/model/domain.ts';
import type { NodeSystem } from '../../machines/model/environment.ts';
import type { RunBounds } from '../run/runner-protocol.ts';
import { parseSystem, SYSTEM_SCRIPT } from '../run/system.ts';
import { formatAddress, type NodeAddress } from './address.ts';
import type { ScriptResult } from './command.ts';
import { runNodeScript } from './command.ts';
import { probeFiles } from './files.ts';
import { launch } from './launch.ts';
import { loginCommand } from './login-command.ts';
import type { NodePool } from './node-pool.ts';
import { saveKnownHosts } from './pinned-key.ts';
import { prepareDirectory } from './prepare.ts';
import { RunFollower } from './run-follower.ts';
import { secretsDirectory } from './send-secrets.ts';
import { seconds, stopOnNode } from './stop.ts';
import { plainId } from './stop-run.ts';

export interface NodeMaintenanceOptions extends RunBounds {
  readonly stateDir: string;
  readonly nodes: NodePool;
  /** How long killed processes may take to disappear. */
  readonly killTimeoutMs: number;
}

const CLOUD_INIT = new URL('./cloud-init.sh', import.meta.url);
const OUTPUT_LIMIT_BYTES = 1024 * 1024;

export class NodeMaintenance {
  readonly #options: NodeMaintenanceOptions;

  constructor(options: NodeMaintenanceOptions) {
    this.#options = options;
  }

  address(node: NodeAddress): string {
    return formatAddress(node);
  }

  /** Pins the server's host key, unless one is already pinned. */
  async pin(server: Server, key: Buffer): Promise<void> {
    await this.#options.nodes.pin(server, key);
  }

  /** Waits until the server accepts the login, creates its directory, and checks SFTP, which every job needs. */
  async prepare(
    server: Server,
    timeoutMs: number,
    signal: AbortSignal,
    onContact: ContactListener = () => {},
  ): Promise<void> {
    const node = this.#options.nodes.get(server);
    const { commandTimeoutMs } = node.config;
    const task = { operation: 'prepare node', timeoutMs, signal, onContact };
    await node.using(task, async (connection, within) => {
      await prepareDirectory(connection, node.address.directory, commandTimeoutMs, within);
      await probeFiles(connection, commandTimeoutMs, within);
    });
  }

  async describe(server: Server, signal: AbortSignal): Promise<NodeSystem> {
    const operation = 'describe node';
    const node = this.#options.nodes.get(server);
    const timeoutMs = node.config.commandTimeoutMs;
    const command = { operation, script: SYSTEM_SCRIPT, args: [], timeoutMs };
    const { output } = await node.using({ operation, timeoutMs, signal }, (connection, within) =>
      runNodeScript(connection, command, within),
    );
    return parseSystem(output);
  }

  /** Waits until the server accepts the login. */
  async reach(server: Server, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#options.nodes.reach(server, { operation: 'log in to node', timeoutMs, signal });
  }

  /** Waits until cloud-init has finished. Resolves to false when the server has none. Rejects when it failed. */
  async awaitCloudInit(server: Server, timeoutMs: number, signal: AbortSignal): Promise<boolean> {
    const operation = 'wait for cloud-init';
    const command = { operation, script: CLOUD_INIT, args: [], timeoutMs };
    const node = this.#options.nodes.get(server);
    const { output } = await node.using({ operation, timeoutMs, signal }, (connection, within) =>
      runNodeScript(connection, command, within),
    );
    const result = output.trim();
    if (result === 'finished' || result === 'absent') return result === 'finished';
    throw new OperationError({
      operation,
      target: server.address,
      message: result.slice(-500).replaceAll(/\s*\n\s*/g, '; ') || 'it failed without a message',
      retryable: true,
      hint: 'check /var/log/cloud-init-output.log on a server of this image',
    });
  }

  /** Runs a command to completion, in the server's directory and with the server's mark in its environment. */
  async run(server: Server, argv: readonly string[], timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { nodes, stateDir, graceMs, startTimeoutMs, endingTimeoutMs } = this.#options;
    const node = nodes.get(server);
    const name = `command-${randomBytes(4).toString('hex')}`;
    const directory = `${node.address.directory}/runs/${name}`;
    const mirror = join(stateDir, 'upkeep', name);
    const { commandTimeoutMs, reconnectTimeoutMs } = node.config;
    const work = {
      ...{ directory, timeoutMs, argv, graceMs, startTimeoutMs, endingTimeoutMs, commandTimeoutMs },
      server: node.address.directory,
      workTree: node.address.directory,
      outputLimitBytes: OUTPUT_LIMIT_BYTES,
      environment: { SOS_CI_SERVER: server.id },
    };
    const task = { operation: 'start command', timeoutMs: reconnectTimeoutMs, signal };
    try {
      await node.using(task, (connection, within) => launch(work, connection, within));
      const after = Promise.resolve();
      const follow = new RunFollower({ node, directory, mirror, limitBytes: 2 * OUTPUT_LIMIT_BYTES, after });
      const { ended, detach } = follow.watch(() => {});
      const outcome = await raceAbort(ended, signal, () => null).catch(() => null);
      detach();
      await follow.closed;
      if (outcome?.how === 'exited' && outcome.code === 0) return;
      const log = await readFile(join(mirror, 'log'), 'utf8').catch(() => '');
      const how = outcome === null ? 'still running' : JSON.stringify(outcome);
      const failed = commandFailed(server, argv, how, log);
      throw outcome === null ? new AbortedError('run command on node', server.address, failed) : failed;
    } finally {
      await rm(mirror, { recursive: true, force: true });
    }
  }

  /** Ends every process of the server and removes its directory. */
  async wipe(server: Server, timeoutMs: number, signal: AbortSignal): Promise<void> {
    const { nodes, graceMs, killTimeoutMs } = this.#options;
    const node = nodes.get(server);
    const args = ['server', server.id, node.address.directory, seconds(graceMs), seconds(killTimeoutMs)];
    await stopOnNode(node, { operation: 'wipe node', args, timeoutMs }, signal, (answer) =>
      wipeFailed(server, answer),
    );
  }

  /** Ends every process of the server, removes the secrets, and returns how a person logs in with the pinned host key. */
  async open(server: Server, timeoutMs: number, signal: AbortSignal): Promise<Login> {
    const { nodes, graceMs, killTimeoutMs, stateDir } = this.#options;
    const node = nodes.get(server);
    const { directory } = node.address;
    const secrets = secretsDirectory(directory);
    const args = [...['hold', plainId(server), directory, seconds(graceMs), seconds(killTimeoutMs)], secrets];
    await stopOnNode(node, { operation: 'open server', args, timeoutMs }, signal, (answer) =>
      wipeFailed(server, answer),
    );
    const knownHosts = await saveKnownHosts(stateDir, server, node.address, await node.hostKeys());
    return { command: loginCommand(node.address, node.config.keyFile, knownHosts), directory };
  }

  /** Closes the connection and removes the pinned host key. */
  async release(server: Server): Promise<void> {
    await this.#options.nodes.release(server);
  }
}

function commandFailed(server: Server, argv: readonly string[], how: string, log: string): OperationError {
  const last = log.trim().split('\n').at(-1) ?? '';
  return new OperationError({
    operation: 'run command on node',
    target: server.address,
    message: `${argv[0]}: ${how}${last === '' ? '' : `: ${last.slice(-300)}`}`,
    retryable: true,
    hint: 'log in to the node and try the command by hand',
  });
}

function wipeFailed(server: Server, { status, output }: ScriptResult): OperationError {
  const detail = output.trim().slice(-500);
  return new OperationError({
    operation: 'wipe node',
    target: server.address,
    message: detail === '' ? `exit status ${status}` : detail,
    retryable: true,
    hint: 'check the node for processes in state D, for mounts, and for files of another user in the directory',
  });
}
