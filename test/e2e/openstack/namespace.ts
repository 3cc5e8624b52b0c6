/** Starts a real OpenStack in a separate network namespace, runs a suite there, and removes both. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('cloud', import.meta.url));
const NAMESPACE = `sos-ci-${process.pid}`;
const INSTALL_LIMIT_MS = 30 * 60_000;
const UP_LIMIT_MS = 15 * 60_000;
const DOWN_LIMIT_MS = 3 * 60_000;
const SUITE_LIMIT_MS = 20 * 60_000;

export interface CloudSuite {
  /**
   * The directory of the cloud. It is outside of the checkout, because the users of the services must be able to read
   * it.
   */
  readonly directory: string;
  /** Names in the directory that later runs reuse, such as `rootfs`, the root file system of the servers. */
  readonly kept: readonly string[];
  /** The program that runs in the namespace, and its arguments. */
  readonly command: readonly string[];
  /** Variables for the scripts of the cloud and for the suite. `CLOUD_ROOT_PACKAGES`: more packages for the servers. */
  readonly environment?: Readonly<Record<string, string>>;
  /**
   * Downloads more files for the suite after the packages of the cloud, because the namespace has no outside network.
   */
  readonly prepare?: () => void;
  /** Whether the servers have an HTTP proxy to outside networks, at 192.0.2.1:3128. */
  readonly proxy?: boolean;
  readonly limitMs?: number;
}

/** The command of a suite. @param config its file */
export function vitest(config: string): readonly string[] {
  return ['node_modules/.bin/vitest', 'run', '--config', config];
}

/**
 * @param args `--keep` leaves the cloud running; all others are passed to the command
 * @returns the exit code
 */
export async function runInCloud(
  suite: CloudSuite,
  args: readonly string[] = process.argv.slice(2),
): Promise<number> {
  const env = { ...process.env, ...suite.environment, CLOUD: suite.directory };
  const run = (command: string, argv: readonly string[], limitMs: number): number => {
    const { status } = spawnSync(command, argv, { cwd: ROOT, stdio: 'inherit', timeout: limitMs, env });
    return status ?? 1;
  };
  const inside = (argv: readonly string[], limitMs: number): number =>
    run('ip', ['netns', 'exec', NAMESPACE, ...argv], limitMs);

  mkdirSync(suite.directory, { recursive: true });
  const missing = missingRequirement(suite.directory);
  if (missing !== null) {
    console.log(`skipped: ${missing}`);
    return 0;
  }
  if (run(`${SCRIPTS}/install.sh`, [], INSTALL_LIMIT_MS) !== 0) return 1;
  await RealGerrit.fetch();
  suite.prepare?.();
  // Leftovers of a run that was killed.
  run(`${SCRIPTS}/down.sh`, [], DOWN_LIMIT_MS);
  for (const name of readdirSync(suite.directory)) {
    if (!suite.kept.includes(name)) rmSync(join(suite.directory, name), { recursive: true, force: true });
  }
  if (run('ip', ['netns', 'add', NAMESPACE], DOWN_LIMIT_MS) !== 0) return 1;
  const keep = args.includes('--keep');
  const passed = args.filter((word) => word !== '--keep');
  const proxy = suite.proxy === true ? startProxy(NAMESPACE) : null;
  try {
    if (inside([`${SCRIPTS}/up.sh`], UP_LIMIT_MS) !== 0) return 1;
    return inside([...suite.command, ...passed], suite.limitMs ?? SUITE_LIMIT_MS);
  } finally {
    proxy?.kill();
    if (!keep) {
      inside([`${SCRIPTS}/down.sh`], DOWN_LIMIT_MS);
      run('ip', ['netns', 'del', NAMESPACE], DOWN_LIMIT_MS);
    } else {
      const up = `ip netns exec ${NAMESPACE} env CLOUD=${suite.directory} ${SCRIPTS}/up.sh`;
      console.log(`the cloud is still running; to start its services again: ${up}`);
    }
  }
}

/**
 * Starts an HTTP proxy that listens at 192.0.2.1:3128 in `namespace` and connects from the namespace of this process.
 */
function startProxy(namespace: string): ChildProcess {
  return spawn('/usr/bin/python3', [`${SCRIPTS}/proxy.py`, namespace], {
    stdio: ['ignore', 'ignore', 'ignore'],
  });
}

/** The name of this host's release. Null: the cloud cannot be made from its packages. */
export function hostRelease(): 'bookworm' | 'noble' | null {
  const text = readFileSync('/etc/os-release', 'utf8');
  const name = /^VERSION_CODENAME=(bookworm|noble)$/m.exec(text)?.[1];
  return name === 'bookworm' || name === 'noble' ? name : null;
}

/** The first requirement of the cloud that this host does not meet, or null. */
function missingRequirement(directory: string): string | null {
  if (process.getuid?.() !== 0) return 'the cloud needs root, for network namespaces and the servers in them';
  if (hostRelease() === null) return 'the cloud is made from packages of Debian 12 or Ubuntu 24.04';
  const probe = mkdtempSync(join(directory, 'probe-'));
  const layers = 'mkdir a b c d && exec mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=c d';
  const { status } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'sh', '-c', layers], {
    cwd: probe,
    timeout: DOWN_LIMIT_MS,
  });
  rmSync(probe, { recursive: true, force: true });
  return status === 0 ? null : 'this host allows no namespaces with overlay mounts';
}
