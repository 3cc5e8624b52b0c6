/**
 * Boots one server as a job would, and deletes it: for `sos-ci boot-test`. The server belongs to a separate deployment
 * and its host keys are kept in a temporary directory, so a daemon may run at the same time.
 */
import { createHash } from 'node:crypto';
import { mkdtemp, rm, symlink } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { environmentDirectory } from '../adapters/ansible/find-ansible.ts';
import { processStartTicks } from '../adapters/sqlite/lock.ts';
import type { Config, ProviderConfig } from '../config/config.ts';
import { deleteServers } from '../engine/loop/delete-servers.ts';
import type { OwnedServer, Provider } from '../engine/ports/adapters.ts';
import { OperationError } from '../errors.ts';
import { buildProviders } from './build-providers.ts';

export interface BootTestOptions {
  readonly provider: ProviderConfig;
  /** Aborts the boot; the server is deleted all the same. */
  readonly signal: AbortSignal;
  /** Called after each step, with its result. */
  readonly onStep: (step: string) => void;
  /** Whether a process of this host still runs. */
  readonly alive: (pid: number, startTicks: number) => boolean;
}

/** The timeout when no job uses this provider. */
const BOOT_TIMEOUT_MS = 900_000;
/** How many times deletion is requested before the servers count as undeletable. */
const DELETE_ROUNDS = 4;
const NEVER = new AbortController().signal;

/** Deletes every server that it created. Rejects with the error of the boot, or with that of the deletion if it fails. */
export async function bootTest(config: Config, options: BootTestOptions): Promise<void> {
  const { provider: tested, onStep } = options;
  if (tested.type === 'local' || tested.type === 'static') throw createsNoServersError(tested);
  const stateDir = await mkdtemp(join(tmpdir(), 'sos-ci-boot-test-'));
  await symlink(environmentDirectory(config.stateDir), environmentDirectory(stateDir));
  const testedOnly = { ...config, stateDir, providers: [tested] };
  const { set, nodes } = buildProviders(testedOnly, undefined, { raise: async () => {} }, null, onStep);
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
  const jobId = jobIdOf(process.pid, processStartTicks(process.pid));
  const deletedLeftovers = await deleteAll(provider, deployment, (job) => !isRunning(job, alive), signal);
  if (deletedLeftovers > 0) onStep('deleted the servers of an interrupted boot-test');
  const jobs = config.jobs.filter(({ spec }) => spec.provider === provider.name);
  const timeoutMs = Math.max(...jobs.map(({ spec }) => spec.limits.bootTimeoutMs), 0) || BOOT_TIMEOUT_MS;
  const owner = { deployment, job: jobId, attempt: 1 };
  const name = `sos-ci-${jobId}`;
  try {
    const type = 'createServer';
    const request = { type, key: type, provider: provider.name, name, owner, timeoutMs } as const;
    const bootTimeout = AbortSignal.timeout(timeoutMs);
    const { address } = await provider.create(request, AbortSignal.any([signal, bootTimeout]));
    onStep(`ready: ${address}`);
  } finally {
    await deleteAll(provider, deployment, (job) => job === jobId, NEVER);
    onStep('deleted; nothing is left');
  }
}

/** Resolves to the number of deleted servers, once no server of the included jobs is listed. */
function deleteAll(
  provider: Provider,
  deployment: string,
  includes: (job: string) => boolean,
  signal: AbortSignal,
): Promise<number> {
  const list = async () =>
    (await provider.list({ deployment }, signal)).filter(({ owner }) => includes(owner.job));
  const remove = ({ server }: OwnedServer) => provider.delete(server, deployment, signal);
  return deleteServers(list, remove, DELETE_ROUNDS);
}

/**
 * Differs from the daemon's deployment, so that the daemon's sweep leaves the server alone, and from the boot-test
 * deployments of other hosts and state directories.
 */
function deploymentOf({ stateDir }: Config, provider: string): string {
  const text = [hostname(), stateDir, provider].join('\0');
  return `boot-test-${createHash('sha256').update(text).digest('hex').slice(0, 12)}`;
}

/** Identifies the process, so that the next boot-test can check whether it still runs. */
function jobIdOf(pid: number, startTicks: number): string {
  return `boot-test-${pid}-${startTicks}`;
}

function isRunning(job: string, alive: BootTestOptions['alive']): boolean {
  const [, pid, ticks] = /^boot-test-(\d+)-(\d+)$/.exec(job) ?? [];
  return pid !== undefined && alive(Number(pid), Number(ticks));
}

function createsNoServersError({ name, type }: ProviderConfig): OperationError {
  return new OperationError({
    operation: 'boot server',
    target: name,
    message: `a provider of type ${type} creates no servers`,
    retryable: false,
    hint: 'check it with: sos-ci doctor',
  });
}
