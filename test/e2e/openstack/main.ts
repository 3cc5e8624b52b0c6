/**
 * `npm run e2e:openstack`: installs OpenStack, starts it in a separate network namespace, runs the suite there, and
 * removes both. `--keep` leaves the cloud running for inspection.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { RealGerrit } from '../real-gerrit/real-gerrit.ts';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('cloud', import.meta.url));
/** Outside of the checkout, because the users of the services must be able to read it. */
const CLOUD = process.env.SOS_CI_CLOUD ?? '/var/tmp/sos-ci-cloud';
/** The root file system of the servers; kept, because it takes half a minute to create. */
const ROOT_FILE_SYSTEM = 'rootfs';
const NAMESPACE = `sos-ci-${process.pid}`;
const INSTALL_LIMIT_MS = 10 * 60_000;
const UP_LIMIT_MS = 8 * 60_000;
const DOWN_LIMIT_MS = 60_000;
const SUITE_LIMIT_MS = 20 * 60_000;

const keep = process.argv.includes('--keep');
const args = process.argv.slice(2).filter((word) => word !== '--keep');

function run(command: string, argv: readonly string[], limitMs: number): number {
  const env = { ...process.env, CLOUD };
  const { status } = spawnSync(command, argv, { cwd: ROOT, stdio: 'inherit', timeout: limitMs, env });
  return status ?? 1;
}

function inside(argv: readonly string[], limitMs: number): number {
  return run('ip', ['netns', 'exec', NAMESPACE, ...argv], limitMs);
}

/** The first requirement of the cloud that this host does not meet; null: it meets all. */
function missingRequirement(): string | null {
  if (process.getuid?.() !== 0) return 'the cloud needs root, for network namespaces and the servers in them';
  if (!/^VERSION_CODENAME=bookworm$/m.test(readFileSync('/etc/os-release', 'utf8')))
    return 'the cloud is made from packages of Debian 12';
  const probe = mkdtempSync(join(CLOUD, 'probe-'));
  const layers = 'mkdir a b c d && exec mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=c d';
  const { status } = spawnSync('unshare', ['--net', '--mount', '--pid', '--fork', 'sh', '-c', layers], {
    cwd: probe,
    timeout: DOWN_LIMIT_MS,
  });
  rmSync(probe, { recursive: true, force: true });
  return status === 0 ? null : 'this host allows no namespaces with overlay mounts';
}

async function main(): Promise<number> {
  mkdirSync(CLOUD, { recursive: true });
  const missing = missingRequirement();
  if (missing !== null) {
    console.log(`skipped: ${missing}`);
    return 0;
  }
  // The namespace has no outside network, so everything is fetched first.
  await RealGerrit.fetch();
  if (run(`${SCRIPTS}/install.sh`, [], INSTALL_LIMIT_MS) !== 0) return 1;
  // Leftovers of a run that was killed.
  run(`${SCRIPTS}/down.sh`, [], DOWN_LIMIT_MS);
  for (const name of readdirSync(CLOUD)) {
    if (name !== ROOT_FILE_SYSTEM) rmSync(join(CLOUD, name), { recursive: true, force: true });
  }
  if (run('ip', ['netns', 'add', NAMESPACE], DOWN_LIMIT_MS) !== 0) return 1;
  try {
    if (inside([`${SCRIPTS}/up.sh`], UP_LIMIT_MS) !== 0) return 1;
    const vitest = ['node_modules/.bin/vitest', 'run', '--config', 'vitest.openstack.config.ts', ...args];
    return inside(vitest, SUITE_LIMIT_MS);
  } finally {
    if (!keep) {
      inside([`${SCRIPTS}/down.sh`], DOWN_LIMIT_MS);
      run('ip', ['netns', 'del', NAMESPACE], DOWN_LIMIT_MS);
    } else
      console.log(`the cloud is still up: ip netns exec ${NAMESPACE} env CLOUD=${CLOUD} ${SCRIPTS}/up.sh`);
  }
}

process.exitCode = await main();
