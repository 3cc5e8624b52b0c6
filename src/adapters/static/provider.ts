/**
 * A provider whose servers are the configured hosts, each leased to one job at a time. A host is cleaned before a job
 * gets it. A host that fails repeatedly is put in quarantine, and an alarm is raised.
 */
import { randomBytes } from 'node:crypto';
import type { StaticHostConfig, StaticProviderConfig } from '../../config/config.ts';
import type {
  Alarms,
  ContactListener,
  EffectOf,
  OwnedServer,
  Provider,
} from '../../engine/ports/adapters.ts';
import { AbortedError, errorText, OperationError, throwIfAborted, unlessAborted } from '../../errors.ts';
import type { Login, Server } from '../../machines/model/domain.ts';
import type { ServerFacts } from '../../machines/model/environment.ts';
import { sleep } from '../../timer.ts';
import { parseHostKey } from '../openssh/host-key.ts';
import { foreignServerError } from '../run/foreign-server-error.ts';
import type { HostAccess } from '../run/node-access.ts';
import { Capacity } from './capacity.ts';
import { HostHealth } from './host-health.ts';
import { type Lease, Leases } from './lease.ts';

export interface StaticProviderOptions {
  readonly config: StaticProviderConfig;
  readonly stateDir: string;
  readonly access: HostAccess;
  readonly alarms: Alarms;
  /** Called with the number of usable hosts whenever it changes. */
  readonly onCapacity?: (hosts: number) => void;
  /** Whether a job still has its slot; by default none does. */
  readonly holdsSlot?: (job: string) => boolean;
  /** Epoch ms. */
  readonly now?: () => number;
}

/** The interval between checks for a free host, because a quarantine may end while a job waits. */
const RECHECK_MS = 5_000;
/** The part of a request's time that is left after a reset that never ends: for killing it and recording the failure. */
const RESET_RESERVE_MS = 30_000;
const NEVER = new AbortController().signal;

export class StaticProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  readonly #config: StaticProviderConfig;
  readonly #access: HostAccess;
  readonly #alarms: Alarms;
  readonly #leases: Leases;
  readonly #health: HostHealth;
  readonly #capacity: Capacity;
  readonly #now: () => number;
  /** Hosts that this process works on. */
  readonly #inUse = new Set<string>();
  /** Ids of leased servers whose host could not be returned. */
  readonly #unreturned = new Set<string>();
  readonly #wakers = new Set<() => void>();

  constructor(options: StaticProviderOptions) {
    const { config, stateDir } = options;
    this.name = config.name;
    this.slots = config.slots;
    this.#config = config;
    this.#access = options.access;
    this.#alarms = options.alarms;
    this.#leases = new Leases(stateDir, config.name);
    this.#health = new HostHealth(stateDir, config.name);
    this.#now = options.now ?? Date.now;
    this.#capacity = new Capacity({
      hosts: config.hosts.map((host) => host.name),
      health: this.#health,
      unreturned: async () =>
        (await this.#leases.all()).filter(({ server }) => this.#unreturned.has(server.id)),
      holdsSlot: options.holdsSlot ?? (() => false),
      now: this.#now,
      changed: options.onCapacity ?? (() => {}),
    });
  }

  async create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server> {
    let last: OperationError | null = null;
    const endsAt = performance.now() + request.timeoutMs;
    const tried = new Set<string>();
    for (;;) {
      if (signal.aborted) throw await this.#noHost(request.name, last);
      const lease = await this.#lease(request, tried);
      if (lease === null) {
        // All hosts have failed, not only the free ones; the caller decides whether to retry.
        if (last !== null && !(await this.#candidates()).some(({ name }) => !tried.has(name))) throw last;
        await this.#waitForChange(signal);
        continue;
      }
      tried.add(lease.host);
      try {
        const resetLimitMs = () => resetLimit(request.timeoutMs, endsAt - performance.now());
        return await this.#prepare(lease, resetLimitMs, signal);
      } catch (error) {
        if (!(error instanceof OperationError)) throw error;
        // After a timeout, the earlier error, on this or another host, is more useful.
        last = error instanceof AbortedError ? (error.last ?? last) : error;
      } finally {
        this.#inUse.delete(lease.host);
      }
    }
  }

  async list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    throwIfAborted(signal, 'list servers', this.name);
    await this.#clearAbandoned();
    const leases = await this.#leases.all();
    return leases
      .filter((lease) => lease.ready && lease.owner.deployment === owner.deployment)
      .filter((lease) => owner.job === undefined || lease.owner.job === owner.job)
      .map((lease) => ({ server: lease.server, owner: lease.owner }));
  }

  async delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    throwIfAborted(signal, 'delete server', server.name);
    const lease = (await this.#leases.all()).find((lease) => lease.server.id === server.id);
    if (lease !== undefined && lease.owner.deployment !== deployment)
      throw foreignServerError(server, 'its lease');
    if (lease !== undefined) await this.#returnHost(lease, true, signal);
    else await this.#access.release(server);
  }

  open(server: Server, signal: AbortSignal): Promise<Login> {
    return this.#access.open(server, this.#config.deleteTimeoutMs, signal);
  }

  async describe(server: Server, signal: AbortSignal): Promise<ServerFacts> {
    const system = await this.#access.describe(server, signal);
    return { type: this.#config.type, image: null, flavor: null, system };
  }

  async whyGone(server: Server, signal: AbortSignal): Promise<string | null> {
    throwIfAborted(signal, 'look up server', server.name);
    const leases = await this.#leases.all();
    if (leases.some((lease) => lease.server.id === server.id)) return null;
    await this.#access.release(server);
    return 'is no longer leased to the job';
  }

  /** Leases a free host, in memory and on disk; null when there is none. */
  async #lease(request: EffectOf<'createServer'>, tried: ReadonlySet<string>): Promise<Lease | null> {
    const { name, owner } = request;
    for (const host of await this.#candidates()) {
      if (tried.has(host.name) || this.#inUse.has(host.name)) continue;
      const id = `${host.name}-${randomBytes(6).toString('hex')}`;
      const directory = `${host.directory}/${id}`;
      const address = this.#access.address({ ...host, directory });
      const server = { id, name, address, provider: this.name };
      const lease = { host: host.name, server, owner, createdAt: this.#now(), ready: false };
      this.#inUse.add(host.name);
      let taken = false;
      try {
        taken = await this.#leases.take(lease);
      } finally {
        if (!taken) this.#inUse.delete(host.name);
      }
      if (taken) return lease;
    }
    return null;
  }

  /** Hosts that are not in quarantine, those with the fewest failures first. */
  async #candidates(): Promise<readonly StaticHostConfig[]> {
    const all = await Promise.all(
      this.#config.hosts.map(async (host) => ({ host, state: await this.#health.read(host.name) })),
    );
    const now = this.#now();
    return all
      .filter(({ state }) => state.quarantinedUntil <= now)
      .sort((a, b) => a.state.failures - b.state.failures)
      .map(({ host }) => host);
  }

  async #prepare(lease: Lease, resetLimitMs: () => number, signal: AbortSignal): Promise<Server> {
    const { server, host } = lease;
    const { reset, ssh, hosts } = this.#config;
    const prepareMs = ssh.connectTimeoutMs * 2;
    let reached = false;
    let touched = false;
    const onContact: ContactListener = (contact) => {
      reached ||= contact === 'back';
    };
    try {
      const written = hosts.find(({ name }) => name === host)?.hostKey ?? null;
      if (written !== null) await this.#access.pin(server, hostKeyOf(host, written));
      await this.#access.prepare(server, prepareMs, signal, onContact);
      touched = true;
      if (reset !== null) {
        const timeoutMs = Math.min(reset.timeoutMs, resetLimitMs());
        await this.#access.run(server, reset.argv, timeoutMs, signal);
      }
      await this.#leases.replace({ ...lease, ready: true });
      await this.#health.clear(host);
      this.#capacity.check();
      return server;
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
      // A cancelled job does not count as a failure of the host.
      if (!signal.aborted) await this.#noteFailure(host, error);
      // There may be an empty directory. A host on which it cannot be removed is returned all the same.
      if (reached && !touched) await this.#access.wipe(server, prepareMs, NEVER).catch(() => {});
      await this.#tryReturnHost(lease, touched);
      throw error;
    }
  }

  async #noteFailure(host: string, error: OperationError): Promise<void> {
    const { quarantineAfterFailures: limit, quarantineMs } = this.#config;
    const failures = (await this.#health.read(host)).failures + 1;
    const quarantinedUntil = failures < limit ? 0 : this.#now() + quarantineMs;
    await this.#health.write(host, { failures, quarantinedUntil, why: errorText(error) });
    if (quarantinedUntil === 0) return;
    this.#capacity.check();
    await this.#alarms.raise({
      kind: 'node-failing',
      target: `${this.name}/${host}`,
      message: `host ${host} is in quarantine until ${isoTime(quarantinedUntil)}, after ${failures} failures: ${errorText(error)}`,
      hint: error.hint,
    });
  }

  /**
   * Returns hosts that were being prepared when a daemon was killed. Does not wait: an unreachable host must not delay
   * the others.
   */
  async #clearAbandoned(): Promise<void> {
    for (const lease of await this.#leases.all()) {
      if (lease.ready || this.#inUse.has(lease.host)) continue;
      this.#inUse.add(lease.host);
      void this.#tryReturnHost(lease, true).finally(() => this.#inUse.delete(lease.host));
    }
  }

  /** On failure the host stays leased, and the next `list` tries again. */
  async #tryReturnHost(lease: Lease, touched: boolean): Promise<void> {
    try {
      await this.#returnHost(lease, touched, NEVER);
    } catch (error) {
      if (!(error instanceof OperationError)) throw error;
    }
  }

  /**
   * Serialized for each host: a second call finds that the host was already returned, perhaps leased to another job.
   */
  async #returnHost(lease: Lease, touched: boolean, signal: AbortSignal): Promise<void> {
    const { host, server } = lease;
    const work = this.#leases.exclusively(host, async () => {
      throwIfAborted(signal, 'delete server', server.name);
      if (!(await this.#leases.holds(lease))) return;
      try {
        if (touched) await this.#access.wipe(server, this.#config.deleteTimeoutMs, signal);
        await this.#access.release(server);
        // An operator may have removed the lease meanwhile.
        if (await this.#leases.holds(lease)) await this.#leases.release(host);
        this.#unreturned.delete(server.id);
      } catch (error) {
        this.#unreturned.add(server.id);
        throw error;
      } finally {
        this.#capacity.check();
      }
      for (const wake of this.#wakers) wake();
    });
    await unlessAborted(work, signal, 'delete server', server.name);
  }

  /** Resolves when a host is returned, or after the check interval. */
  async #waitForChange(signal: AbortSignal): Promise<void> {
    const over = new AbortController();
    const wake = () => over.abort();
    this.#wakers.add(wake);
    await sleep(RECHECK_MS, AbortSignal.any([signal, over.signal]));
    this.#wakers.delete(wake);
  }

  async #noHost(name: string, last: OperationError | null): Promise<OperationError> {
    const leases = await this.#leases.all();
    const states = await Promise.all(
      this.#config.hosts.map(async (host) => {
        const lease = leases.find((lease) => lease.host === host.name);
        if (lease !== undefined) return `${host.name} is leased to job ${lease.owner.job}`;
        const { quarantinedUntil, why } = await this.#health.read(host.name);
        if (quarantinedUntil > this.#now())
          return `${host.name} is in quarantine until ${isoTime(quarantinedUntil)} (${why})`;
        return `${host.name} is free`;
      }),
    );
    return new OperationError({
      operation: 'create server',
      target: name,
      message: `aborted before a host was available: ${states.join('; ')}${last === null ? '' : `; last error: ${last.message}`}`,
      retryable: true,
      hint: last?.hint ?? 'fix or add hosts, or allow a longer bootTimeout',
      cause: last,
    });
  }
}

/**
 * A reset without an end must fail before its request does: only then does it count as a failure of the host. With less
 * than half of the time left, being cut off says nothing about the host.
 */
function resetLimit(requestMs: number, leftMs: number): number {
  const limit = Math.floor(leftMs - RESET_RESERVE_MS);
  return limit < requestMs / 2 ? Number.POSITIVE_INFINITY : limit;
}

function hostKeyOf(host: string, written: string): Buffer {
  const key = parseHostKey(written);
  if (key !== null) return key;
  throw new OperationError({
    operation: 'look up host key',
    target: host,
    message: 'its hostKey in the configuration is not a public key',
    retryable: false,
    hint: 'write it as `TYPE BASE64`, as ssh-keyscan prints it after the name',
  });
}

function isoTime(at: number): string {
  return new Date(at).toISOString();
}
