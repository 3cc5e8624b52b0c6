/**
 * A provider whose servers are created, listed and deleted by the user's own programs. The programs receive deployment,
 * job and attempt, and must store them: the owner that `list` returns proves that we may delete a server.
 */
import { createHash } from 'node:crypto';
import type { z } from 'zod';
import type { CommandProviderConfig } from '../../config/config.ts';
import type { EffectOf, OwnedServer, Provider } from '../../engine/ports/adapters.ts';
import { OperationError } from '../../errors.ts';
import type { Login, Server } from '../../machines/model/domain.ts';
import type { ServerFacts } from '../../machines/model/environment.ts';
import { parseHostKey } from '../openssh/host-key.ts';
import { foreignServerError } from '../run/foreign-server-error.ts';
import type { NodeAccess } from '../run/node-access.ts';
import {
  type CreatedServer,
  createdAnswer,
  deletedAnswer,
  firstMistake,
  type ListedServer,
  listAnswer,
} from './responses.ts';
import { failure, type Program, runProgram } from './run-program.ts';

export interface CommandProviderOptions {
  readonly config: CommandProviderConfig;
  readonly access: NodeAccess;
  /** Runs one of the programs; by default as a process that reads and writes JSON. */
  readonly run?: (program: Program) => Promise<unknown>;
}

export class CommandProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  readonly #config: CommandProviderConfig;
  readonly #access: NodeAccess;
  readonly #run: (program: Program) => Promise<unknown>;

  constructor(options: CommandProviderOptions) {
    this.name = options.config.name;
    this.slots = options.config.slots;
    this.#config = options.config;
    this.#access = options.access;
    this.#run = options.run ?? runProgram;
  }

  async create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server> {
    const { name, owner, timeoutMs } = request;
    const program = this.#program(
      'create server',
      this.#config.create,
      { action: 'create', name, owner },
      timeoutMs,
      signal,
    );
    const created = this.#read(program, createdAnswer, await this.#run(program));
    const server = this.#server(program, created, name);
    // The id may have belonged to another server before.
    await this.#access.release(server);
    await this.#pin(server, created);
    await this.#access.prepare(server, timeoutMs, signal);
    return server;
  }

  async list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    const found = (await this.#all(signal))
      .filter(({ listed }) => listed.owner.deployment === owner.deployment)
      .filter(({ listed }) => owner.job === undefined || listed.owner.job === owner.job);
    for (const { server, listed } of found) await this.#pin(server, listed);
    return found.map(({ server, listed }) => ({ server, owner: listed.owner }));
  }

  async delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    const { delete: argv, deleteTimeoutMs } = this.#config;
    const found = (await this.#all(signal)).find((one) => one.server.id === server.id);
    if (found !== undefined) {
      const { name, owner } = found.listed;
      if (owner.deployment !== deployment) throw foreignServerError(server, 'its owner in the list');
      const input = { action: 'delete', id: server.id, name, owner };
      const program = this.#program('delete server', argv, input, deleteTimeoutMs, signal);
      this.#read(program, deletedAnswer, await this.#run(program));
    }
    await this.#access.release(server);
  }

  open(server: Server, signal: AbortSignal): Promise<Login> {
    return this.#access.open(server, this.#config.deleteTimeoutMs, signal);
  }

  async describe(server: Server, signal: AbortSignal): Promise<ServerFacts> {
    const system = await this.#access.describe(server, signal);
    return { type: this.#config.type, image: null, flavor: null, system };
  }

  async whyGone(server: Server, signal: AbortSignal): Promise<string | null> {
    const { id, name } = server;
    const all = await this.#all(signal);
    if (all.some((one) => one.server.id === id && one.server.name === name)) return null;
    await this.#access.release(server);
    return 'was deleted';
  }

  async #all(
    signal: AbortSignal,
  ): Promise<readonly { readonly server: Server; readonly listed: ListedServer }[]> {
    const { list: argv, listTimeoutMs } = this.#config;
    const program = this.#program('list servers', argv, { action: 'list' }, listTimeoutMs, signal);
    const { servers } = this.#read(program, listAnswer, await this.#run(program));
    return servers.map((listed) => ({ server: this.#server(program, listed, listed.name), listed }));
  }

  #program(
    operation: string,
    argv: readonly string[],
    input: object,
    timeoutMs: number,
    signal: AbortSignal,
  ): Program {
    const { outputLimitBytes, environment } = this.#config;
    const fullInput = { version: 1, provider: this.name, ...input };
    return { operation, argv, input: fullInput, timeoutMs, outputLimitBytes, environment, signal };
  }

  #read<T>(program: Program, schema: z.ZodType<T>, answer: unknown): T {
    const read = schema.safeParse(answer);
    if (read.success) return read.data;
    throw failure(program, `its output is invalid: ${firstMistake(read.error)}`, false);
  }

  /** Gives each server its own directory on the node, so that several servers can share one host. */
  #server(program: Program, { id, address }: CreatedServer, name: string): Server {
    const plain = /^[A-Za-z0-9_][A-Za-z0-9._-]{0,99}$/.test(id);
    const ownName = plain ? id : createHash('sha256').update(id).digest('hex').slice(0, 32);
    const { host, user, port, directory } = { ...this.#config.node, ...defined(address) };
    try {
      const node = { user, host, port, directory: `${directory}/${ownName}` };
      return { id, name, address: this.#access.address(node), provider: this.name };
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      throw failure(program, `its output is invalid: ${error.message}: ${error.target}`, false);
    }
  }

  async #pin(server: Server, { hostKey }: CreatedServer): Promise<void> {
    const blob = hostKey === undefined ? null : parseHostKey(hostKey);
    if (blob !== null) await this.#access.pin(server, blob);
  }
}

/** Omits undefined keys. */
function defined(address: CreatedServer['address']) {
  const { host, port, user, directory } = address;
  return {
    host,
    ...(port === undefined ? {} : { port }),
    ...(user === undefined ? {} : { user }),
    ...(directory === undefined ? {} : { directory }),
  };
}
