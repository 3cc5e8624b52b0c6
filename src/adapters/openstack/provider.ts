/**
 * A provider that creates servers in an OpenStack project. Our resources are identified only by their mark, so the
 * provider stores nothing on this host.
 */
import type { OpenStackProviderConfig } from '../../config/config.ts';
import type { Clock, EffectOf, OwnedServer, Provider } from '../../engine/ports/adapters.ts';
import { AbortedError, OperationError, throwIfAborted } from '../../errors.ts';
import type { Login, Ownership, Server } from '../../machines/model/domain.ts';
import type { ServerFacts } from '../../machines/model/environment.ts';
import { sleep } from '../../timer.ts';
import { parseHostKey } from '../openssh/host-key.ts';
import { readPublicKey } from '../openssh/key-file.ts';
import { keyType } from '../openssh/known-hosts.ts';
import { foreignServerError } from '../run/foreign-server-error.ts';
import type { BootAccess } from '../run/node-access.ts';
import { Calls } from './calls.ts';
import { createEverything, loginHost } from './create.ts';
import { type Headroom, readHeadroom } from './headroom.ts';
import { listResources, markedServers, resourcesOf, type ServerResources } from './inventory.ts';
import { FLAVOR_KEY, IMAGE_KEY, LOGIN_KEY, MARK_KEY, PROVIDER_KEY, parseMark, parseObject } from './marks.ts';
import { findFlavor, planServer } from './plan.ts';
import { QuotaWatch } from './quota-watch.ts';
import { removeResources } from './remove.ts';
import { CONSOLE, METADATA } from './resources.ts';
import { CloudError, type CloudSession } from './session/session.ts';
import { timeUp, type Wait, type WaitStep, waitFor } from './wait.ts';
import { findServer, whyGone } from './why-gone.ts';

export interface OpenStackProviderOptions {
  readonly config: OpenStackProviderConfig;
  readonly session: CloudSession;
  readonly access: BootAccess;
  readonly clock: Clock;
  /** Called while a server boots, with each step that succeeded. */
  readonly onStep?: (step: string) => void;
  /** Called with the whole console of a server that did not become ready. */
  readonly keepConsole?: (owner: Ownership, log: string) => Promise<void>;
  /**
   * Called with the number of servers that the quotas allow, this provider's included, and why; null: unchanged, or
   * unknown. Returns false to stop the reports.
   */
  readonly onCapacity?: (servers: number | null, why: string) => boolean;
}

/** The address of a server that was never ready. The domain is reserved and never resolves. */
const NO_HOST = 'none.invalid';
const NO_USER = 'nobody';
/** Enough for the host keys. Nova returns the last lines; without a number, all that it keeps. */
const CONSOLE_LINES = 200;
const MAX_CONSOLE_QUOTE = 300;
/** How often Nova is asked whether the server still runs, while we wait for the node. */
const STATUS_POLL_MS = 15_000;
/** How long a server without cloud-init may lack a program: something else may be installing it. */
const UNPREPARED_MS = 60_000;
/** A shorter call to the server can only time out. */
const MIN_CALL_MS = 1_000;
/** Reserved at the end of the time limit for reading the console of a server that did not become ready. */
const CONSOLE_RESERVE_MS = 10_000;

const NEVER = new AbortController().signal;

type Named = Pick<Server, 'id' | 'name'>;

export class OpenStackProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  readonly #config: OpenStackProviderConfig;
  readonly #calls: Calls;
  readonly #access: BootAccess;
  readonly #clock: Clock;
  readonly #onStep: (step: string) => void;
  readonly #keepConsole: (owner: Ownership, log: string) => Promise<void>;
  readonly #quota: QuotaWatch | null;
  /** The deployment of our servers; known from the first call on. */
  #deployment: string | null = null;
  /** Volumes of ours exist, although the configuration may create none any more. */
  #hasOldVolumes = false;

  constructor(options: OpenStackProviderOptions) {
    const { config, session, access, clock, onStep = () => {}, onCapacity } = options;
    this.name = config.name;
    this.slots = config.slots;
    this.#config = config;
    this.#calls = new Calls(session);
    this.#access = access;
    this.#clock = clock;
    this.#onStep = onStep;
    this.#keepConsole = options.keepConsole ?? (async () => {});
    const read = () => this.#readQuota();
    this.#quota = onCapacity === undefined ? null : new QuotaWatch({ read, changed: onCapacity });
    void this.#quota?.check();
  }

  async create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server> {
    const { name, owner, timeoutMs } = request;
    this.#deployment = owner.deployment;
    const reserveMs = Math.min(CONSOLE_RESERVE_MS, timeoutMs / 10);
    const limitMs = timeoutMs - reserveMs;
    const wait = this.#wait('create server', name, limitMs, signal);
    const { keyFile } = this.#config.ssh;
    const use = { setting: `providers.${this.name}.ssh.key`, addTo: 'to the server through Nova' };
    const { line } = await readPublicKey(keyFile, use);
    const plan = await planServer(this.#calls, this.#config, signal);
    this.#onStep('logged in to the cloud; image, flavor and networks found');
    const mark = { ...owner, name };
    const creating = createEverything(this.#calls, this.#config, plan, mark, line, wait);
    const created = await creating.catch((error: unknown) => {
      if (error instanceof CloudError && error.kind === 'quota') void this.#quota?.check();
      throw error;
    });
    const { id } = created;
    this.#onStep(`server ${id} created`);
    try {
      await waitFor(wait, () => this.#checkActive({ id, name }, signal));
      this.#onStep('ACTIVE');
      const login = `${plan.user}@${await loginHost(this.#calls, created, signal)}`;
      const server = this.#server(id, name, login);
      await this.#waitUntilReady(server, wait);
      await waitFor(wait, () => this.#storeLogin(server, login, signal));
      return server;
    } catch (error) {
      if (!(error instanceof OperationError) || error instanceof AbortedError) throw error;
      const leftMs = wait.endsAt + reserveMs * 0.8 - this.#clock.monotonic();
      const late = AbortSignal.timeout(Math.max(0, Math.floor(leftMs)));
      const log = await this.#console(id, AbortSignal.any([signal, late]));
      if (log !== '') await this.#keepConsole(owner, log);
      throw withConsole(error, log);
    }
  }

  async list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    this.#deployment = owner.deployment;
    const all = await this.#listResources(owner.deployment, signal, owner.job === undefined);
    this.#hasOldVolumes ||= all.some(({ volumes }) => volumes.length > 0);
    return all
      .filter(({ mark }) => owner.job === undefined || mark.job === owner.job)
      .map((resources) => this.#owned(resources));
  }

  async delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    const found = await findServer(this.#calls, server.id, signal);
    if (found !== null && parseMark(found.metadata[MARK_KEY])?.deployment !== deployment)
      throw foreignServerError(server, 'its mark');
    const wait = this.#wait('delete server', server.name, this.#config.deleteTimeoutMs, signal);
    for (const resources of await this.#listResources(deployment, signal)) {
      if (resources.mark.name !== server.name) continue;
      await removeResources(this.#calls, resources, wait);
      for (const { id } of resources.servers) await this.#access.release({ ...server, id });
    }
    await this.#access.release(server);
  }

  open(server: Server, signal: AbortSignal): Promise<Login> {
    return this.#access.open(server, this.#config.deleteTimeoutMs, signal);
  }

  async describe(server: Server, signal: AbortSignal): Promise<ServerFacts> {
    const [found, system] = await Promise.all([
      orUnknown(findServer(this.#calls, server.id, signal)),
      orUnknown(this.#access.describe(server, signal)),
    ]);
    const { type } = this.#config;
    const metadata: Readonly<Record<string, string>> = found?.metadata ?? {};
    return {
      type,
      image: parseObject(metadata[IMAGE_KEY]),
      flavor: parseObject(metadata[FLAVOR_KEY]),
      system,
    };
  }

  async whyGone(server: Server, signal: AbortSignal): Promise<string | null> {
    const why = await whyGone(this.#calls, server.id, signal);
    if (why !== null) await this.#access.release(server);
    return why;
  }

  /** @param everything also lists volumes that an earlier configuration created, if there is a Cinder */
  #listResources(
    deployment: string,
    signal: AbortSignal,
    everything = false,
  ): Promise<readonly ServerResources[]> {
    const configured = this.#config.bootVolumeGb !== null;
    const volumes = configured || this.#hasOldVolumes ? 'all' : everything ? 'if-available' : 'none';
    return listResources(this.#calls, deployment, volumes, signal);
  }

  /** Counts this provider's servers first, so that one created meanwhile makes the sum too small, not too large. */
  async #readQuota(): Promise<{ readonly own: number; readonly headroom: Headroom }> {
    const signal = NEVER;
    const all = this.#deployment === null ? [] : await markedServers(this.#calls, this.#deployment, signal);
    const own = all.filter(({ item }) => item.metadata[PROVIDER_KEY] === this.name);
    const flavor = await findFlavor(this.#calls, this.#config, signal);
    return { own: own.length, headroom: await readHeadroom(this.#calls, this.#config, flavor, signal) };
  }

  #wait(operation: string, target: string, limitMs: number, signal: AbortSignal): Wait {
    const endsAt = this.#clock.monotonic() + limitMs;
    const onWaiting = (waiting: string) => this.#onStep(`waiting: ${waiting}`);
    return { operation, target, clock: this.#clock, endsAt, limitMs, signal, onWaiting };
  }

  /** Waits until the server accepts the login, cloud-init has finished, and the programs for a job are installed. */
  async #waitUntilReady(server: Server, wait: Wait): Promise<void> {
    const { clock, endsAt } = wait;
    const access = this.#access;
    const leftMs = (waiting: string): number => {
      const left = endsAt - clock.monotonic();
      if (left >= MIN_CALL_MS) return left;
      throw timeUp(wait, {
        waiting,
        hint: 'check the load of the cloud, or raise the bootTimeout of the job',
      });
    };
    const pinned = await this.#pinFromConsole(server, wait.signal);
    await this.#whileActive(server, wait, (signal) =>
      access.reach(server, leftMs('the login has not been tried'), signal),
    );
    this.#onStep('login works');
    const finished = await this.#whileActive(server, wait, (signal) =>
      access.awaitCloudInit(server, leftMs('cloud-init has not been checked'), signal),
    );
    this.#onStep(finished ? 'cloud-init finished' : 'no cloud-init');
    if (!pinned) {
      // cloud-init prints the host keys at its end. The first login trusted what the server presented.
      await access.release(server);
      await this.#pinFromConsole(server, wait.signal);
    }
    const left = leftMs('the server has not been prepared');
    if (finished) return access.prepare(server, left, wait.signal);
    const brief =
      left < UNPREPARED_MS
        ? wait
        : { ...wait, limitMs: UNPREPARED_MS, endsAt: clock.monotonic() + UNPREPARED_MS };
    const callMs = () => Math.max(brief.endsAt - clock.monotonic(), MIN_CALL_MS);
    await waitFor(brief, () => this.#prepare(server, callMs(), wait.signal));
  }

  async #prepare(server: Server, timeoutMs: number, signal: AbortSignal): Promise<WaitStep<true>> {
    try {
      await this.#access.prepare(server, timeoutMs, signal);
      return { done: true };
    } catch (error) {
      if (!(error instanceof OperationError) || signal.aborted || !error.retryable) throw error;
      return { waiting: error.message, hint: error.hint };
    }
  }

  /** Ends the work when the server fails or is deleted meanwhile. */
  async #whileActive<T>(
    server: Server,
    { signal, clock }: Wait,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    const finished = new AbortController();
    const both = AbortSignal.any([signal, finished.signal]);
    const watch = async (): Promise<never> => {
      for (;;) {
        await sleep(STATUS_POLL_MS, both, clock);
        throwIfAborted(both, 'create server', server.name);
        await this.#checkActive(server, both).catch((error: unknown) => {
          // An outage of Nova does not end the server.
          if (!(error instanceof CloudError) || !error.retryable) throw error;
        });
      }
    };
    try {
      return await Promise.race([work(both), watch()]);
    } finally {
      finished.abort();
    }
  }

  /** Resolves to whether the console shows a host key. */
  async #pinFromConsole(server: Server, signal: AbortSignal): Promise<boolean> {
    const hostKey = hostKeyIn(await this.#console(server.id, signal, CONSOLE_LINES));
    if (hostKey !== null) await this.#access.pin(server, hostKey);
    return hostKey !== null;
  }

  /** Setting the same metadata twice is harmless, so a lost answer costs no boot. */
  async #storeLogin(server: Server, login: string, signal: AbortSignal): Promise<WaitStep<true>> {
    const metadata = { [LOGIN_KEY]: login };
    try {
      await this.#calls.post('compute', `servers/${server.id}/metadata`, { metadata }, METADATA, signal);
      return { done: true };
    } catch (error) {
      if (!(error instanceof CloudError) || !error.retryable) throw error;
      return { waiting: error.message, hint: error.hint };
    }
  }

  async #checkActive(server: Named, signal: AbortSignal): Promise<WaitStep<true>> {
    const found = await findServer(this.#calls, server.id, signal);
    const status = found?.status ?? 'DELETED';
    const hint = `check the log of nova-compute, or: openstack server show ${server.id}`;
    switch (status) {
      case 'ACTIVE':
        return { done: true };
      case 'ERROR':
        throw failed(server, found?.fault?.message || 'it is in the state ERROR', hint);
      case 'DELETED':
      case 'SOFT_DELETED':
        throw failed(server, 'it was deleted while it started', 'check who else uses the project');
      case 'SHUTOFF':
        throw failed(
          server,
          'it shut down while it started',
          `check its console: openstack console log show ${server.id}`,
        );
      default:
        return { waiting: `the server is ${status}`, hint };
    }
  }

  /** Empty when there is none yet, or the cloud refuses or does not answer. @param length in lines; default: all */
  async #console(id: string, signal: AbortSignal, length?: number): Promise<string> {
    const body = { 'os-getConsoleOutput': length === undefined ? {} : { length } };
    try {
      const { output } = await this.#calls.post('compute', `servers/${id}/action`, body, CONSOLE, signal);
      return output;
    } catch (error) {
      if (error instanceof OperationError) return '';
      throw error;
    }
  }

  /** Also lists the leftovers of a server that was never created or never ready, so that they are deleted. */
  #owned(listed: ServerResources): OwnedServer {
    const { mark, servers } = listed;
    const { name, ...owner } = mark;
    const resources = resourcesOf(listed);
    const ready = servers.find(({ metadata }) => metadata[LOGIN_KEY] !== undefined);
    const id = (ready ?? servers[0])?.id ?? `no-server-${name}`;
    const server = this.#server(id, name, ready?.metadata[LOGIN_KEY] ?? `${NO_USER}@${NO_HOST}`);
    return { server, owner, resources, ...(ready === undefined ? { unfinished: true } : {}) };
  }

  #server(id: string, name: string, login: string): Server {
    const at = login.indexOf('@');
    const { port, directory } = this.#config.node;
    const target = { user: login.slice(0, at), host: login.slice(at + 1), port };
    const address = this.#access.address({ ...target, directory: `${directory}/${id}` });
    return { id, name, address, provider: this.name };
  }
}

/** Null: the cloud or the server does not answer. */
async function orUnknown<T>(answer: Promise<T>): Promise<T | null> {
  return answer.catch((error: unknown) => {
    if (error instanceof AbortedError || !(error instanceof OperationError)) throw error;
    return null;
  });
}

/** The host key that cloud-init printed: Ed25519, else the first. A message of the kernel may have cut a line. */
function hostKeyIn(log: string): Buffer | null {
  const [, block = ''] =
    /-----BEGIN SSH HOST KEY KEYS-----([\s\S]*?)-----END SSH HOST KEY KEYS-----/.exec(log) ?? [];
  const keys = block.split('\n').flatMap((line) => {
    const key = parseHostKey(/(?:ssh|ecdsa)-.*/.exec(line)?.[0] ?? '');
    return key === null ? [] : [key];
  });
  return keys.find((key) => keyType(key) === 'ssh-ed25519') ?? keys[0] ?? null;
}

function withConsole(error: OperationError, log: string): OperationError {
  const last = log.trim().split('\n').at(-1)?.slice(-MAX_CONSOLE_QUOTE) ?? '';
  if (last === '') return error;
  const { operation, target, retryable, hint, message } = error;
  const more = `${message}; the console ends with: ${last}`;
  return new OperationError({ operation, target, retryable, hint, message: more, cause: error });
}

function failed(server: Named, message: string, hint: string): OperationError {
  return new OperationError({
    operation: 'create server',
    target: server.name,
    message,
    retryable: true,
    hint,
  });
}
