/** Checks each provider, and each host of a static one. */
import { canUseCgroups } from '../../adapters/local/cgroup.ts';
import { missingPrograms } from '../../adapters/local/host.ts';
import { assertLoopbackGerrit } from '../../adapters/local/loopback-guard.ts';
import { readPublicKey } from '../../adapters/openssh/key-file.ts';
import { accountOf } from '../../adapters/run/account.ts';
import { formatAddress } from '../../adapters/ssh/address.ts';
import { type NodeProbe, probeNode } from '../../adapters/ssh/probe.ts';
import type {
  CommandProviderConfig,
  Config,
  LocalProviderConfig,
  ProviderConfig,
  StaticHostConfig,
  StaticProviderConfig,
} from '../../config/config.ts';
import { OperationError } from '../../errors.ts';
import { assertNever } from '../../machines/model/domain.ts';
import { createCommandProvider } from '../command-provider.ts';
import { cloudFindings } from './cloud.ts';
import { type Check, type Finding, failed, failure, gigabytes, ok, unchecked, warning } from './finding.ts';

export function providerChecks(config: Config): readonly Check[] {
  return config.providers.flatMap((provider) => checksForProvider(provider, config));
}

function checksForProvider(provider: ProviderConfig, config: Config): readonly Check[] {
  const { type, name } = provider;
  const subject = { check: 'provider', target: name };
  switch (type) {
    case 'local':
      return [
        {
          ...subject,
          run: async () => [
            await trustFinding(subject, config, provider),
            processesFinding(name, await canUseCgroups()),
            ...(await localCommands(name, config)),
          ],
        },
      ];
    case 'static':
      return [
        keyCheck(provider),
        ...provider.hosts.map((host) => ({
          ...{ check: 'node', target: hostName(provider, host) },
          run: (signal: AbortSignal) => nodeFindings(provider, host, config, signal),
        })),
      ];
    case 'command':
      return [keyCheck(provider), { ...subject, run: () => programFindings(provider, config) }];
    case 'openstack':
      return [keyCheck(provider), { ...subject, run: (signal) => cloudFindings(provider, signal) }];
    default:
      return assertNever(type);
  }
}

/** Both are fine; the operator should know which applies. */
function processesFinding(target: string, canUseCgroups: boolean): Finding {
  return ok(
    { check: 'processes', target },
    canUseCgroups
      ? 'leftover processes of a job are found by its cgroup'
      : 'leftover processes of a job are found by its mark and its lock: this account cannot create cgroups',
  );
}

async function trustFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  { gerrit }: Config,
  provider: LocalProviderConfig,
): Promise<Finding> {
  const { user, allowUntrustedCode } = provider;
  try {
    assertLoopbackGerrit(gerrit.host, provider);
    if (user !== null) {
      await accountOf(user);
      return ok(subject, `jobs run on this host as ${user}`);
    }
  } catch (error) {
    return failed(subject, error);
  }
  return allowUntrustedCode
    ? warning(
        subject,
        `everyone who may upload a change to ${gerrit.host} can run code on this host as this user`,
        'run jobs elsewhere: docs/providers.md',
      )
    : ok(subject, 'jobs and Gerrit run on this host');
}

function keyCheck({ name, ssh }: Exclude<ProviderConfig, LocalProviderConfig>): Check {
  const subject = { check: 'node-key', target: ssh.keyFile };
  const use = { setting: `providers.${name}.ssh.key`, addTo: 'to ~/.ssh/authorized_keys on the nodes' };
  return {
    ...subject,
    run: async () => [
      ok(
        subject,
        `${(await readPublicKey(ssh.keyFile, use)).type}, without a passphrase, readable only by us`,
      ),
    ],
  };
}

async function nodeFindings(
  provider: StaticProviderConfig,
  host: StaticHostConfig,
  config: Config,
  signal: AbortSignal,
): Promise<readonly Finding[]> {
  const target = hostName(provider, host);
  const { ssh, name } = provider;
  const commands = commandsOf(name, config);
  let probe: NodeProbe;
  try {
    const programs = commands.map(({ program }) => program);
    const node = { provider: name, address: host, config: ssh, hostKey: host.hostKey, commands: programs };
    probe = await probeNode(node, signal);
  } catch (error) {
    return connectionFailures(target, error, host.hostKey !== null || ssh.knownHostsFile !== null);
  }
  const { missing, existing, writable, freeBytes, sftp, canUseCgroups } = probe;
  const tools = { check: 'node-tools', target };
  const files = { check: 'node-sftp', target };
  const directory = { check: 'node-directory', target: `${target} ${host.directory}` };
  const disk = { check: 'node-disk', target };
  return [
    hostKeyFinding(target, probe, host.name),
    ok({ check: 'node', target }, `login as ${host.user} works`),
    missing.length === 0
      ? ok(tools, 'all installed')
      : failure(tools, `missing: ${missing.join(', ')}`, 'apt-get install util-linux coreutils grep git'),
    processesFinding(target, canUseCgroups),
    sftp === null ? ok(files, 'SFTP works') : failed(files, sftp),
    writable
      ? ok(
          directory,
          existing === host.directory ? 'writable' : `does not exist yet; it can be created in ${existing}`,
        )
      : failure(
          directory,
          `${host.user} may not write to ${existing}`,
          'create and chown it, or configure another ssh.directory',
        ),
    diskFinding(disk, freeBytes, config.doctor.nodeDiskFreeBytes),
    ...commandFindings({ check: 'commands', target }, commands, probe.absent),
  ];
}

/** A program that a job runs by its absolute path. Others may come with the patch. */
interface JobCommand {
  readonly program: string;
  /** Its configuration key. */
  readonly key: string;
  /** A setup stage runs before it and may install it. */
  readonly afterSetup: boolean;
}

function commandsOf(provider: string, { jobs }: Config): readonly JobCommand[] {
  const specs = jobs.map(({ spec }) => spec).filter((spec) => spec.provider === provider);
  return specs.flatMap(({ name, stacking, testing }) => {
    const stages = { stacking, testing };
    return Object.entries(stages).flatMap(([stage, run]): readonly JobCommand[] => {
      const program = run !== null && 'argv' in run ? (run.argv[0] ?? '') : '';
      const afterSetup = stage === 'testing' && stacking !== null;
      return program.startsWith('/') ? [{ program, key: `jobs.${name}.${stage}.command`, afterSetup }] : [];
    });
  });
}

async function localCommands(provider: string, config: Config): Promise<readonly Finding[]> {
  const commands = commandsOf(provider, config);
  const absent = await missingPrograms(commands.map(({ program }) => program));
  return commandFindings({ check: 'commands', target: provider }, commands, absent);
}

function commandFindings(
  subject: Pick<Finding, 'check' | 'target'>,
  commands: readonly JobCommand[],
  absent: readonly string[],
): readonly Finding[] {
  if (commands.length === 0) return [];
  const missing = commands.filter(({ program }) => absent.includes(program));
  if (missing.length === 0) return [ok(subject, 'all installed')];
  return missing.map(({ program, key, afterSetup }) => {
    const found = `${key}: ${program} is missing or not executable`;
    return afterSetup
      ? warning(subject, found, 'install it or correct the command, unless the setup installs it')
      : failure(subject, found, 'install it there or correct the command');
  });
}

function diskFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  free: number | null,
  needed: number,
): Finding {
  if (free === null) return unchecked(subject, 'df reports no value', 'check with: df -h');
  return free >= needed
    ? ok(subject, `${gigabytes(free)} free`)
    : failure(subject, `${gigabytes(free)} free, less than ${gigabytes(needed)}`, 'free some space');
}

function hostKeyFinding(target: string, { unpinned }: NodeProbe, name: string): Finding {
  const subject = { check: 'node-host-key', target };
  if (unpinned === null) return ok(subject, 'matches the pinned key');
  const found = `the host key is ${unpinned.fingerprint}; it is not pinned, so any host at this address is trusted`;
  return warning(subject, found, `compare it, then add to ${name}: hostKey: ${unpinned.line}`);
}

const HOST_KEY_OPERATIONS = ['verify host key', 'look up host key', 'read known_hosts'];

function connectionFailures(target: string, error: unknown, pinned: boolean): readonly Finding[] {
  if (!(error instanceof OperationError)) throw error;
  const subjectOf = (check: string) => ({ check, target });
  const wrongKey = HOST_KEY_OPERATIONS.includes(error.operation);
  const keyMatched = pinned && error.operation === 'log in to node';
  const hostKey = keyMatched
    ? ok(subjectOf('node-host-key'), 'matches the pinned key')
    : unchecked(subjectOf('node-host-key'), 'no connection');
  return [
    wrongKey ? failed(subjectOf('node-host-key'), error) : hostKey,
    wrongKey ? unchecked(subjectOf('node'), 'the host key is not trusted') : failed(subjectOf('node'), error),
    ...['node-tools', 'processes', 'node-sftp', 'node-directory', 'node-disk'].map((check) =>
      unchecked(subjectOf(check), 'no login'),
    ),
  ];
}

/** Runs only `list`, which changes nothing. */
async function programFindings(provider: CommandProviderConfig, config: Config): Promise<readonly Finding[]> {
  const subject = { check: 'provider', target: provider.name };
  const listTimeoutMs = Math.min(provider.listTimeoutMs, config.doctor.timeoutMs);
  const access = {
    address: formatAddress,
    ...{ pin: nothing, release: nothing, prepare: nothing, open: never, describe: never },
  };
  const commandProvider = createCommandProvider({ ...provider, listTimeoutMs }, config, access);
  await commandProvider.list({ deployment: '' }, new AbortController().signal);
  return [ok(subject, `the answer of list is valid: ${provider.list.join(' ')}`)];
}

async function nothing(): Promise<void> {}

async function never(): Promise<never> {
  throw new Error('doctor uses no server');
}

function hostName({ name }: StaticProviderConfig, host: StaticHostConfig): string {
  return `${name}/${host.name}`;
}
