/**
 * A cloud in memory. Keep the object over a restart of the engine: its servers still exist, including one whose create
 * call was never answered.
 */
import type { EffectOf, OwnedServer, Provider } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Failure, Login, Server } from '../../src/machines/model/domain.ts';
import type { ServerFacts } from '../../src/machines/model/environment.ts';
import { CallController, type Hold } from './call-controller.ts';

type CreateServer = EffectOf<'createServer'>;
type Call = 'create' | 'list' | 'delete' | 'open' | 'whyGone' | 'describe';

const FACTS: ServerFacts = {
  type: 'fake',
  image: { id: 'image-1', name: 'debian-12' },
  flavor: { id: 'flavor-1', name: 'm1.large' },
  system: { os: 'Debian GNU/Linux 12', kernel: '6.1.0 x86_64', cpus: 8, memoryBytes: 16 * 1024 ** 3 },
};

export class FakeProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  /** Fails, holds, releases, counts and awaits calls by name: `create`, `list`, `delete`, `open`, `whyGone`, `describe`. */
  readonly calls = new CallController<Call>();
  /** Called for each deleted server, so that a fake runner can end its runs there. */
  onDeleted: (server: Server) => void = () => {};
  /** The ids of the servers that were opened for people. */
  readonly opened: string[] = [];
  /** Number of servers created and deleted so far. */
  created = 0;
  deleted = 0;
  /** Maximum number of servers at the same time. */
  peak = 0;
  #servers: OwnedServer[] = [];

  constructor(options: { readonly name?: string; readonly slots?: number } = {}) {
    this.name = options.name ?? 'fake';
    this.slots = options.slots ?? 1;
  }

  create(request: CreateServer, signal: AbortSignal): Promise<Server> {
    return this.calls.perform('create', signal, () => this.add(request).server);
  }

  list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    return this.calls.perform('list', signal, () =>
      this.#servers.filter(
        (one) =>
          one.owner.deployment === owner.deployment &&
          (owner.job === undefined || one.owner.job === owner.job),
      ),
    );
  }

  delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    return this.calls.perform('delete', signal, () => this.#remove(server, deployment));
  }

  open({ id, address }: Server, signal: AbortSignal): Promise<Login> {
    return this.calls.perform('open', signal, () => {
      this.opened.push(id);
      return { command: `ssh ${address}`, directory: `/srv/${id}` };
    });
  }

  describe(_server: Server, signal: AbortSignal): Promise<ServerFacts> {
    return this.calls.perform('describe', signal, () => FACTS);
  }

  whyGone({ id }: Server, signal: AbortSignal): Promise<string | null> {
    return this.calls.perform('whyGone', signal, () =>
      this.#servers.some(({ server }) => server.id === id) ? null : 'was deleted',
    );
  }

  /** The next call (of this name, if given) rejects with this failure. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.calls.failNext(failure, call);
  }

  /** The next call of this name hangs until `release`, before (`request`) or after (`answer`) it takes effect. */
  holdNext(hold: Hold = 'answer', call: Call = 'create'): void {
    this.calls.holdNext(hold, call);
  }

  release(): boolean {
    return this.calls.release();
  }

  /** Every server, of any owner, oldest first. */
  servers(): readonly OwnedServer[] {
    return this.#servers;
  }

  /** Adds a server without a call: one of another deployment, or one that a killed daemon requested. */
  add(
    request: Pick<CreateServer, 'name' | 'owner'>,
    more: Pick<OwnedServer, 'unfinished' | 'resources'> = {},
  ): OwnedServer {
    this.created += 1;
    const server: Server = {
      id: `${this.name}-${this.created}`,
      name: request.name,
      address: `/fake/${this.name}/${this.created}`,
      provider: this.name,
    };
    const owned = { server, owner: request.owner, ...more };
    this.#servers = [...this.#servers, owned];
    this.peak = Math.max(this.peak, this.#servers.length);
    return owned;
  }

  /** Another program deletes the server. Its runs never report an end. */
  vanish({ id }: Server): void {
    this.#servers = this.#servers.filter(({ server }) => server.id !== id);
  }

  #remove(server: Server, deployment: string): void {
    const found = this.#servers.find((one) => one.server.id === server.id);
    if (found === undefined) return;
    if (found.owner.deployment !== deployment) throw wrongDeployment(server);
    this.#servers = this.#servers.filter((one) => one !== found);
    this.deleted += 1;
    this.onDeleted(found.server);
  }
}

function wrongDeployment(server: Server): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: 'the server carries another deployment id',
    retryable: false,
    hint: 'delete it from the deployment that created it',
  });
}
