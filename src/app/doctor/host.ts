/** Checks this host: state directory, disk space, git and other programs; and where the logs are published. */
import { probeLogServer } from '../../adapters/evidence/log-server/probe.ts';
import { probeContainer } from '../../adapters/evidence/swift/probe.ts';
import { gitVersion } from '../../adapters/git/version.ts';
import { missingPrograms, type ProbedDirectory, probeDirectory } from '../../adapters/local/host.ts';
import { sshTarget } from '../../adapters/ssh/client/client.ts';
import type { Config } from '../../config/config.ts';
import type { LogServerConfig, LogsDestination, LogsSwiftConfig } from '../../config/logs-config.ts';
import { errorText } from '../../errors.ts';
import { openStackSession } from '../openstack-session.ts';
import { type Check, type Finding, failure, gigabytes, ok, warning } from './finding.ts';

export function hostChecks(config: Config): readonly Check[] {
  const { stateDir, logs, doctor, providers } = config;
  // The account that runs the commands of jobs must enter it.
  const hasAccount = providers.some((provider) => provider.type === 'local' && provider.user !== null);
  const refused = hasAccount ? 0o066 : 0o077;
  return [
    {
      ...{ check: 'state', target: stateDir },
      run: () => directoryFindings('state', 'disk', stateDir, doctor.diskFreeBytes, refused),
    },
    { ...{ check: 'git', target: 'git' }, run: gitFindings },
    { ...{ check: 'tools', target: 'this host' }, run: () => toolFindings(config) },
    ...logsChecks(logs.destination, doctor.diskFreeBytes),
  ];
}

/** Playbooks are checked with those of stages. */
function logsChecks(destination: LogsDestination, neededBytes: number): readonly Check[] {
  switch (destination.type) {
    case 'directory': {
      const { dir: target } = destination;
      const run = () => directoryFindings('logs', 'logs-disk', target, neededBytes, 0);
      return [{ check: 'logs', target, run }];
    }
    case 'ssh':
      return [logServerCheck(destination, neededBytes)];
    case 'playbook':
      return [];
    case 'swift':
      return [containerCheck(destination)];
  }
}

function containerCheck(config: LogsSwiftConfig): Check {
  const subject = { check: 'logs', target: `container ${config.container}` };
  return {
    ...subject,
    run: async (signal) => {
      const session = openStackSession(config);
      try {
        await probeContainer(session, config.container, signal);
        return [ok(subject, 'an object can be written and removed')];
      } finally {
        session.close();
      }
    },
  };
}

function logServerCheck(config: LogServerConfig, neededBytes: number): Check {
  const target = `${sshTarget(config)}${config.dir}`;
  const subject = { check: 'logs', target };
  return {
    ...subject,
    run: async (signal) => {
      const free = await probeLogServer(config, signal);
      return [
        ok(subject, 'accepts our key, and the directory is writable'),
        ...(free === null ? [] : [diskFinding({ check: 'logs-disk', target }, free, neededBytes)]),
      ];
    },
  };
}

/** @param refused permission bits that the directory must not have */
async function directoryFindings(
  check: string,
  diskCheck: string,
  target: string,
  needed: number,
  refused: number,
): Promise<readonly Finding[]> {
  let directory: ProbedDirectory;
  try {
    directory = await probeDirectory(target);
  } catch (error) {
    return [
      failure(
        { check, target },
        errorText(error),
        'check that every parent is a directory that this user may enter',
      ),
    ];
  }
  return [
    directoryFinding({ check, target }, directory, refused),
    diskFinding({ check: diskCheck, target }, directory.freeBytes, needed),
  ];
}

function diskFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  freeBytes: number,
  neededBytes: number,
): Finding {
  const free = gigabytes(freeBytes);
  return freeBytes >= neededBytes
    ? ok(subject, `${free} free`)
    : failure(subject, `${free} free, less than ${gigabytes(neededBytes)}`, 'free some space');
}

function directoryFinding(
  subject: Pick<Finding, 'check' | 'target'>,
  directory: ProbedDirectory,
  refused: number,
): Finding {
  const { nearest, exists, isDirectory, writable, mode } = directory;
  if (!isDirectory) return failure(subject, `${nearest} is not a directory`, 'configure another directory');
  if (!writable) {
    return failure(
      subject,
      `this user may not write to ${nearest}`,
      "run sos-ci as the owner of that directory, or change the directory's permissions",
    );
  }
  if (!exists) return ok(subject, `does not exist yet; it can be created in ${nearest}`);
  const octal = mode.toString(8);
  const right = (0o777 & ~refused).toString(8);
  return (mode & refused) !== 0
    ? warning(subject, `other users can read it (mode ${octal})`, `chmod ${right} ${subject.target}`)
    : ok(subject, `writable, mode ${octal}`);
}

async function gitFindings(signal: AbortSignal): Promise<readonly Finding[]> {
  const subject = { check: 'git', target: 'git' };
  const { text, enough, needed } = await gitVersion(signal);
  return [
    enough ? ok(subject, text) : failure(subject, `${text} is too old`, `install git ${needed} or later`),
  ];
}

/** Packages of Debian and Ubuntu. */
const PACKAGES: Readonly<Record<string, string>> = {
  ssh: 'openssh-client',
  flock: 'util-linux',
  setsid: 'util-linux',
  tail: 'coreutils',
  grep: 'grep',
};

async function toolFindings({ gerrit, providers }: Config): Promise<readonly Finding[]> {
  const subject = { check: 'tools', target: 'this host' };
  const bySsh = gerrit.fetchUrl === null || gerrit.fetchUrl.startsWith('ssh:');
  const runsHere = providers.some(({ type }) => type === 'local');
  const needed = [...(bySsh ? ['ssh'] : []), ...(runsHere ? ['flock', 'setsid', 'tail', 'grep'] : [])];
  const missing = await missingPrograms(needed);
  if (missing.length === 0) return [ok(subject, needed.length === 0 ? 'none needed' : needed.join(', '))];
  const packages = [...new Set(missing.map((name) => PACKAGES[name] ?? name))];
  return [failure(subject, `missing: ${missing.join(', ')}`, `apt-get install ${packages.join(' ')}`)];
}
