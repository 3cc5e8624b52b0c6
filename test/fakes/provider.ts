/**
 * A cloud of one provider, in memory. It is the outside world: keep the object over an engine's restart and the
 * servers are still there, also one whose create call was never answered.
 */
import type { EffectOf, OwnedServer, Provider } from '../../src/engine/ports/adapters.ts';
import { OperationError } from '../../src/errors.ts';
import type { Failure, Server } from '../../src/machines/model/domain.ts';
import { type Hold, Rehearsal } from './rehearsal.ts';

type CreateServer = EffectOf<'createServer'>;
type Call = 'create' | 'list' | 'delete';

export class FakeProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  /** Prepare, hold, release, count and await calls by name: `create`, `list`, `delete`. */
  readonly calls = new Rehearsal<Call>();
  /** Called for each deleted server, so that a fake runner can end what ran there. */
  onDeleted: (server: Server) => void = () => {};
  /** Servers made and deleted since the beginning. */
  created = 0;
  deleted = 0;
  /** The most servers that existed at the same time. */
  peak = 0;
  #servers: OwnedServer[] = [];

  constructor(options: { readonly name?: string; readonly slots?: number } = {}) {
    this.name = options.name ?? 'fake';
    this.slots = options.slots ?? 1;
  }

  create(request: CreateServer, signal: AbortSignal): Promise<Server> {
    return this.calls.play('create', signal, () => this.add(request).server);
  }

  list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    return this.calls.play('list', signal, () =>
      this.#servers.filter(
        (one) =>
          one.owner.deployment === owner.deployment &&
          (owner.job === undefined || one.owner.job === owner.job),
      ),
    );
  }

  delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    return this.calls.play('delete', signal, () => this.#remove(server, deployment));
  }

  /** The next call (of this name, when given) rejects with this failure. */
  failNext(failure: Failure, call: Call | null = null): void {
    this.calls.failNext(failure, call);
  }

  /** The next create hangs until `release`: as `request` nothing exists yet, as `answer` the server does already. */
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

  /** Puts a server there without a call: another deployment's, or one that a dead daemon had asked for. */
  add(
    request: Pick<CreateServer, 'name' | 'owner'>,
    more: Pick<OwnedServer, 'unfinished'> = {},
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

  #remove(server: Server, deployment: string): void {
    const found = this.#servers.find((one) => one.server.id === server.id);
    if (found === undefined) return;
    if (found.owner.deployment !== deployment) throw notOurs(server);
    this.#servers = this.#servers.filter((one) => one !== found);
    this.deleted += 1;
    this.onDeleted(found.server);
  }
}

function notOurs(server: Server): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: 'the server carries another deployment id',
    retryable: false,
    hint: 'leave it to the deployment that made it',
  });
}
