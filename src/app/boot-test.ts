/**
 * Boots one server as a job would, and deletes it: for `sos-ci boot-test`. The server belongs to a deployment of its own
 * and its host keys are kept in a temporary directory, so a daemon may run at the same time.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { processStartTicks } from '../adapters/sqlite/lock.ts';
import type { Config, ProviderConfig } from '../config/config.ts';
import type { Provider } from '../engine/ports/adapters.ts';
import { OperationError } from '../errors.ts';
import { buildProviders } from './build-providers.ts';

export interface BootTestOptions {
  readonly provider: ProviderConfig;
  /** Aborts the boot; the server is deleted all the same. */
  readonly signal: AbortSignal;
  /** Called after each step, with what it achieved. */
  readonly onStep: (step: string) => void;
  /** Whether a process of this host still runs. */
  readonly alive: (pid: number, startTicks: number) => boolean;
}

/** Without a job for this provider. */
const BOOT_TIMEOUT_MS = 900_000;
/** More rounds would find the same. */
const DELETE_ROUNDS = 3;
const NEVER = new AbortController().signal;

/** Rejects with the first error. What it created is deleted in every case, or named in the error. */
export async function bootTest(config: Config, options: BootTestOptions): Promise<void> {
  const { provider: tested, onStep } = options;
  if (tested.type === 'local' || tested.type === 'static') throw createsNoServers(tested);
  const stateDir = await mkdtemp(join(tmpdir(), 'sos-ci-boot-test-'));
  const only = { ...config, stateDir, providers: [tested] };
  const { set, nodes } = buildProviders(only, undefined, { raise: async () => {} }, null, onStep);
  try {
    const provider = set.providers.get(tested.name);
    if (provider === undefined) throw new Error(`no provider ${tested.name}`);
    await bootAndDelete(provider, config, options);
  } finally {
    await nodes.close();
    await rm(stateDir, { recursive: true, force: true });
  }
}

async function bootAndDelete(provider: Provider, config: Config, options: BootTestOptions): Promise<void> {
  const { onStep, signal, alive } = options;
  const deployment = deploymentOf(config, provider.name);
  const own = jobOf(process.pid, processStartTicks(process.pid));
  const left = await deleteAll(provider, deployment, (job) => !isRunning(job, alive), signal);
  if (left > 0) onStep('deleted what an interrupted boot-test had left');
  const limits = config.jobs.filter(({ spec }) => spec.provider === provider.name);
  const timeoutMs = Math.max(...limits.map(({ spec }) => spec.limits.bootTimeoutMs), 0) || BOOT_TIMEOUT_MS;
  const owner = { deployment, job: own, attempt: 1 };
  const name = `sos-ci-${own}`;
  try {
    const type = 'createServer';
    const request = { type, key: type, provider: provider.name, name, owner, timeoutMs } as const;
    const overdue = AbortSignal.timeout(timeoutMs);
    const { address } = await provider.create(request, AbortSignal.any([signal, overdue]));
    onStep(`ready: ${address}`);
  } finally {
    await deleteAll(provider, deployment, (job) => job === own, NEVER);
    onStep('deleted; nothing is left');
  }
}

/** Resolves to the number of deleted servers, once none of these jobs is listed. */
async function deleteAll(
  provider: Provider,
  deployment: string,
  includes: (job: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for (let round = 0; ; round += 1) {
    const all = await provider.list({ deployment }, signal);
    const ours = all.filter(({ owner }) => includes(owner.job));
    if (ours.length === 0) return deleted;
    if (round === DELETE_ROUNDS) throw stillListed(ours.map(({ server }) => server.name));
    for (const { server } of ours) await provider.delete(server, deployment, signal);
    deleted += ours.length;
  }
}

/** Differs from the daemon's, whose sweep must not touch the server, and from that of any other host or state. */
function deploymentOf({ stateDir }: Config, provider: string): string {
  const text = [hostname(), stateDir, provider].join('\0');
  return `boot-test-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

/** Names the process, so that the next boot-test knows whether it still runs. */
function jobOf(pid: number, startTicks: number): string {
  return `boot-test-${pid}-${startTicks}`;
}

function isRunning(job: string, alive: BootTestOptions['alive']): boolean {
  const [, pid, ticks] = /^boot-test-(\d+)-(\d+)$/.exec(job) ?? [];
  return pid !== undefined && alive(Number(pid), Number(ticks));
}

function createsNoServers({ name, type }: ProviderConfig): OperationError {
  return new OperationError({
    operation: 'boot server',
    target: name,
    message: `a provider of type ${type} creates no servers`,
    retryable: false,
    hint: 'check it with: sos-ci doctor',
  });
}

function stillListed(names: readonly string[]): OperationError {
  return new OperationError({
    operation: 'delete server',
    target: names.join(', '),
    message: `still listed after ${DELETE_ROUNDS} deletions`,
    retryable: true,
    hint: 'look at the provider; the next boot-test tries again',
  });
}
