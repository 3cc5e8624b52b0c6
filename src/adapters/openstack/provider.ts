/**
 * A provider whose servers are created in an OpenStack project. The mark alone says what is ours, so the provider keeps
 * nothing on this host.
 */
import type { OpenStackProviderConfig } from '../../config/config.ts';
import type { Clock, EffectOf, OwnedServer, Provider } from '../../engine/ports/adapters.ts';
import { AbortedError, OperationError, throwIfAborted } from '../../errors.ts';
import type { Server } from '../../machines/model/domain.ts';
import { sleep } from '../../timer.ts';
import { parseHostKey } from '../openssh/host-key.ts';
import { readPublicKey } from '../openssh/key-file.ts';
import type { BootAccess } from '../run/node-access.ts';
import { Calls } from './calls.ts';
import { createEverything } from './create.ts';
import { type Belongings, belongings, markedServers } from './inventory.ts';
import { LOGIN_KEY, MARK_KEY, parseMark } from './marks.ts';
import { findFlavor, planServer } from './plan.ts';
import { QuotaWatch } from './quota-watch.ts';
import { removeBelongings } from './remove.ts';
import { CONSOLE, METADATA } from './resources.ts';
import { type Room, roomFor } from './room.ts';
import { CloudError, type CloudSession } from './session/session.ts';
import { type Look, type Wait, waitFor } from './wait.ts';
import { findServer, whyGone } from './why-gone.ts';

export interface OpenStackProviderOptions {
  readonly config: OpenStackProviderConfig;
  readonly session: CloudSession;
  readonly access: BootAccess;
  readonly clock: Clock;
  /** Called while a server boots, with each step that succeeded. */
  readonly onStep?: (step: string) => void;
  /** Called with the number of servers that the quotas allow, ours included, and why. Returns false to hear no more. */
  readonly onCapacity?: (servers: number, why: string) => boolean;
}

/** The address of a server that was never ready. The name is reserved: no resolver knows it. */
const NO_HOST = 'none.invalid';
const NO_USER = 'nobody';
const CONSOLE_LINES = 200;
const LONGEST_CONSOLE_QUOTE = 300;
/** While we wait for the node, Nova is asked this often whether the server still runs. */
const LOOK_AGAIN_MS = 15_000;
/** How long a server without cloud-init may lack a program: something else may be installing it. */
const UNPREPARED_MS = 60_000;
/** What is left of the time limit when the provider gives up, to read the console of the server that is not ready. */
const CONSOLE_RESERVE_MS = 10_000;

const NEVER = new AbortController().signal;

export class OpenStackProvider implements Provider {
  readonly name: string;
  readonly slots: number;
  readonly #config: OpenStackProviderConfig;
  readonly #calls: Calls;
  readonly #access: BootAccess;
  readonly #clock: Clock;
  readonly #onStep: (step: string) => void;
  readonly #quota: QuotaWatch | null;
  /** Of our servers; known from the first call on. */
  #deployment: string | null = null;

  constructor({ config, session, access, clock, onStep = () => {}, onCapacity }: OpenStackProviderOptions) {
    this.name = config.name;
    this.slots = config.slots;
    this.#config = config;
    this.#calls = new Calls(session);
    this.#access = access;
    this.#clock = clock;
    this.#onStep = onStep;
    const read = () => this.#readQuota();
    this.#quota = onCapacity === undefined ? null : new QuotaWatch({ read, changed: onCapacity });
    void this.#quota?.check();
  }

  async create(request: EffectOf<'createServer'>, signal: AbortSignal): Promise<Server> {
    const { name, owner, timeoutMs } = request;
    this.#deployment = owner.deployment;
    const limitMs = timeoutMs - Math.min(CONSOLE_RESERVE_MS, timeoutMs / 10);
    const wait = this.#wait('create server', name, limitMs, signal);
    const { keyFile } = this.#config.ssh;
    const use = { setting: `providers.${this.name}.ssh.key`, addTo: 'to the server through Nova' };
    const { line } = await readPublicKey(keyFile, use);
    const plan = await planServer(this.#calls, this.#config, signal);
    this.#onStep('logged in to the cloud; image, flavor and networks found');
    const mark = { ...owner, name };
    const creating = createEverything(this.#calls, this.#config, plan, mark, line, wait);
    const made = await creating.catch((error: unknown) => {
      if (error instanceof CloudError && error.kind === 'quota') void this.#quota?.check();
      throw error;
    });
    const login = `${plan.user}@${made.host}`;
    const server = this.#server(made.id, name, login);
    this.#onStep(`server ${made.id} created`);
    try {
      await this.#waitUntilReady(server, wait);
      await waitFor(wait, () => this.#noteLogin(server, login, signal));
      return server;
    } catch (error) {
      if (!(error instanceof OperationError) || error instanceof AbortedError) throw error;
      throw withConsole(error, await this.#console(server.id, signal));
    }
  }

  async list(
    owner: { readonly deployment: string; readonly job?: string },
    signal: AbortSignal,
  ): Promise<readonly OwnedServer[]> {
    this.#deployment = owner.deployment;
    const all = await this.#belongings(owner.deployment, signal);
    return all
      .filter(({ mark }) => owner.job === undefined || mark.job === owner.job)
      .map((one) => this.#owned(one));
  }

  async delete(server: Server, deployment: string, signal: AbortSignal): Promise<void> {
    const found = await findServer(this.#calls, server.id, signal);
    if (found !== null && parseMark(found.metadata[MARK_KEY])?.deployment !== deployment)
      throw notOurs(server);
    const wait = this.#wait('delete server', server.name, this.#config.deleteTimeoutMs, signal);
    for (const one of await this.#belongings(deployment, signal)) {
      if (one.mark.name !== server.name) continue;
      await removeBelongings(this.#calls, one, wait);
      for (const { id } of one.servers) await this.#access.release({ ...server, id });
    }
    await this.#access.release(server);
  }

  whyGone({ id }: Server, signal: AbortSignal): Promise<string | null> {
    return whyGone(this.#calls, id, signal);
  }

  #belongings(deployment: string, signal: AbortSignal): Promise<readonly Belongings[]> {
    return belongings(this.#calls, deployment, this.#config.bootVolumeGb !== null, signal);
  }

  /** Counts our servers first: one that is created meanwhile makes the sum too small, not too large. */
  async #readQuota(): Promise<{ readonly own: number; readonly room: Room }> {
    const signal = NEVER;
    const own = this.#deployment === null ? [] : await markedServers(this.#calls, this.#deployment, signal);
    const flavor = await findFlavor(this.#calls, this.#config, signal);
    return { own: own.length, room: await roomFor(this.#calls, this.#config, flavor, signal) };
  }

  #wait(operation: string, target: string, limitMs: number, signal: AbortSignal): Wait {
    const endsAt = this.#clock.monotonic() + limitMs;
    const onWaiting = (waiting: string) => this.#onStep(`waiting: ${waiting}`);
    return { operation, target, clock: this.#clock, endsAt, limitMs, signal, onWaiting };
  }

  /** Waits until the server is ACTIVE, accepts the login, cloud-init has finished, and it has what a job needs. */
  async #waitUntilReady(server: Server, wait: Wait): Promise<void> {
    const { clock, endsAt } = wait;
    const access = this.#access;
    const leftMs = () => Math.max(1, endsAt - clock.monotonic());
    await waitFor(wait, () => this.#lookActive(server, wait.signal));
    this.#onStep('ACTIVE');
    const pinned = await this.#pinFromConsole(server, wait.signal);
    await this.#whileActive(server, wait, (signal) => access.reach(server, leftMs(), signal));
    this.#onStep('login works');
    const finished = await this.#whileActive(server, wait, (signal) =>
      access.awaitCloudInit(server, leftMs(), signal),
    );
    this.#onStep(finished ? 'cloud-init finished' : 'no cloud-init');
    if (!pinned) {
      // cloud-init prints the host keys at its end. The first login trusted what the server presented.
      await access.release(server);
      await this.#pinFromConsole(server, wait.signal);
    }
    if (finished) return access.prepare(server, leftMs(), wait.signal);
    const limitMs = Math.min(UNPREPARED_MS, leftMs());
    const brief = { ...wait, limitMs, endsAt: clock.monotonic() + limitMs };
    await waitFor(brief, () => this.#prepare(server, leftMs(), wait.signal));
  }

  async #prepare(server: Server, timeoutMs: number, signal: AbortSignal): Promise<Look<true>> {
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
    const over = new AbortController();
    const both = AbortSignal.any([signal, over.signal]);
    const watch = async (): Promise<never> => {
      for (;;) {
        await sleep(LOOK_AGAIN_MS, both, clock);
        throwIfAborted(both, 'create server', server.name);
        await this.#lookActive(server, both).catch((error: unknown) => {
          // An outage of Nova does not end the server.
          if (!(error instanceof CloudError) || !error.retryable) throw error;
        });
      }
    };
    try {
      return await Promise.race([work(both), watch()]);
    } finally {
      over.abort();
    }
  }

  /** Resolves to whether the console shows a host key. */
  async #pinFromConsole(server: Server, signal: AbortSignal): Promise<boolean> {
    const hostKey = hostKeyIn(await this.#console(server.id, signal));
    if (hostKey !== null) await this.#access.pin(server, hostKey);
    return hostKey !== null;
  }

  /** Setting the same metadata twice is harmless, so a lost answer costs no boot. */
  async #noteLogin(server: Server, login: string, signal: AbortSignal): Promise<Look<true>> {
    const metadata = { [LOGIN_KEY]: login };
    try {
      await this.#calls.post('compute', `servers/${server.id}/metadata`, { metadata }, METADATA, signal);
      return { done: true };
    } catch (error) {
      if (!(error instanceof CloudError) || !error.retryable) throw error;
      return { waiting: error.message, hint: error.hint };
    }
  }

  async #lookActive(server: Server, signal: AbortSignal): Promise<Look<true>> {
    const found = await findServer(this.#calls, server.id, signal);
    const status = found?.status ?? 'DELETED';
    const hint = `look in the log of nova-compute, or: openstack server show ${server.id}`;
    switch (status) {
      case 'ACTIVE':
        return { done: true };
      case 'ERROR':
        throw failed(server, found?.fault?.message || 'it is in the state ERROR', hint);
      case 'DELETED':
      case 'SOFT_DELETED':
        throw failed(server, 'it was deleted while it started', 'see who else uses the project');
      case 'SHUTOFF':
        throw failed(
          server,
          'it shut down while it started',
          `see its console: openstack console log show ${server.id}`,
        );
      default:
        return { waiting: `the server is ${status}`, hint };
    }
  }

  /** Empty when the cloud has none yet, or refuses. */
  async #console(id: string, signal: AbortSignal): Promise<string> {
    const body = { 'os-getConsoleOutput': { length: CONSOLE_LINES } };
    try {
      const { output } = await this.#calls.post('compute', `servers/${id}/action`, body, CONSOLE, signal);
      return output;
    } catch (error) {
      if (error instanceof CloudError) return '';
      throw error;
    }
  }

  /** What is left of a server that was never created or never ready is listed too, to be deleted. */
  #owned({ mark, servers }: Belongings): OwnedServer {
    const { name, ...owner } = mark;
    const ready = servers.find(({ metadata }) => metadata[LOGIN_KEY] !== undefined);
    const id = (ready ?? servers[0])?.id ?? `no-server-${name}`;
    const server = this.#server(id, name, ready?.metadata[LOGIN_KEY] ?? `${NO_USER}@${NO_HOST}`);
    return ready === undefined ? { server, owner, unfinished: true } : { server, owner };
  }

  #server(id: string, name: string, login: string): Server {
    const at = login.indexOf('@');
    const { port, directory } = this.#config.node;
    const target = { user: login.slice(0, at), host: login.slice(at + 1), port };
    const address = this.#access.address({ ...target, directory: `${directory}/${id}` });
    return { id, name, address, provider: this.name };
  }
}

/** The host key that cloud-init printed: Ed25519 if there is one, else the first. */
function hostKeyIn(log: string): Buffer | null {
  const [, block = ''] =
    /-----BEGIN SSH HOST KEY KEYS-----([\s\S]*?)-----END SSH HOST KEY KEYS-----/.exec(log) ?? [];
  const keys = block.split('\n').map((line) => /(?:ssh|ecdsa)-.*/.exec(line)?.[0] ?? '');
  const preferred = keys.find((key) => key.startsWith('ssh-ed25519 ')) ?? keys.find((key) => key !== '');
  return preferred === undefined ? null : parseHostKey(preferred);
}

function withConsole(error: OperationError, log: string): OperationError {
  const last = log.trim().split('\n').at(-1)?.slice(-LONGEST_CONSOLE_QUOTE) ?? '';
  if (last === '') return error;
  const { operation, target, retryable, hint, message } = error;
  const more = `${message}; the console ends with: ${last}`;
  return new OperationError({ operation, target, retryable, hint, message: more, cause: error });
}

function failed(server: Server, message: string, hint: string): OperationError {
  return new OperationError({
    operation: 'create server',
    target: server.name,
    message,
    retryable: true,
    hint,
  });
}

function notOurs(server: Server): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: server.name,
    message: 'it carries another deployment, or no mark of ours',
    retryable: false,
    hint: 'leave it to its owner',
  });
}
