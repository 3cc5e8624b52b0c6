/**
 * `sos-ci demo`: seven scenes, each from a push to a review, with real SSH, git and processes on this host. Exits with 0 only
 * if every claim held. Leaves no process, and no file unless something failed, also after Ctrl-C.
 */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JobView } from '../engine/ports/store.ts';
import { formatDuration } from '../machines/model/duration.ts';
import { sleep } from '../timer.ts';
import { EmbeddedHost } from './embedded-host.ts';
import { DemoEnvironment } from './environment.ts';
import type { GerritHost } from './gerrit-host.ts';
import { findLabPrograms } from './lab-cloud.ts';
import { findDaemons, markedProcesses, stagedEvidence } from './observer.ts';
import { Screen } from './output.ts';
import { PROJECT } from './sample-project.ts';
import {
  changeConflicts,
  changeFails,
  changePasses,
  cloudSetsUpServer,
  daemonDiesWhileReporting,
  daemonDiesWhileTesting,
  type SceneContext,
  setupFails,
} from './scenes.ts';
import { DemoFailure } from './wait.ts';

export interface DemoOptions {
  /** Keep everything running afterwards, until Ctrl-C. */
  readonly keep: boolean;
  /** Creates the Gerrit below a directory. Default: the embedded one. */
  readonly makeGerrit?: (directory: string) => Promise<GerritHost>;
  readonly out: (text: string) => void;
  readonly color: boolean;
  /** The CLI's main file; default: the one that was built with this file. */
  readonly program?: string;
}

const REQUIRED_PROGRAMS = ['git', 'ssh', 'sh', 'flock', 'setsid'] as const;
const LOG_LINES = 20;
const INTERRUPTED = 130;
const NEVER_MS = 2 ** 31 - 1;

const embeddedGerrit = async (directory: string): Promise<GerritHost> => new EmbeddedHost(directory);

export async function runDemo(options: DemoOptions): Promise<number> {
  const screen = new Screen(options.out, options.color);
  const missing = await missingPrograms();
  if (missing.length > 0) {
    screen.note(
      `The demo needs Linux with git, an ssh client and util-linux; missing: ${missing.join(', ')}`,
    );
    return 1;
  }
  const interrupted = new AbortController();
  const interrupt = (): void => interrupted.abort();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, interrupt);
  const program = options.program ?? fileURLToPath(new URL('../cli/main.js', import.meta.url));
  let environment: DemoEnvironment;
  try {
    environment = await DemoEnvironment.make(
      program,
      options.makeGerrit ?? embeddedGerrit,
      await findLabPrograms(program, interrupted.signal),
      interrupted.signal,
    );
  } catch (error) {
    screen.claim(false, 'Gerrit is available', error instanceof Error ? error.message : '');
    return 1;
  }
  let ended = false;
  let crashed = false;
  try {
    const scene = { environment, screen, signal: interrupted.signal };
    const third = await runScenes(scene, options.keep);
    ended = true;
    if (options.keep) {
      await environment.developer.resetToBranch();
      printKeepHelp(scene, program, third);
      await sleep(NEVER_MS, interrupted.signal);
    }
  } catch (error) {
    crashed = !interrupted.signal.aborted;
    if (crashed) await printFailure(environment, screen, error);
  } finally {
    const keepDirectory = crashed || screen.failed > 0;
    if (interrupted.signal.aborted) screen.note('Stopping and removing everything.');
    await environment.close(keepDirectory);
    if (keepDirectory) screen.note(`kept for inspection: ${environment.directory}`);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupt);
  }
  const remaining = await leftovers(environment);
  if (remaining !== '') screen.claim(false, 'nothing is left running', remaining);
  if (crashed || screen.failed > 0) return 1;
  return ended ? 0 : INTERRUPTED;
}

/** Plays all scenes; resolves to the third scene's job. */
async function runScenes(scene: SceneContext, keep: boolean): Promise<JobView> {
  const { environment, screen } = scene;
  const start = performance.now();
  screen.heading('sos-ci demo: from a push to a review, with real SSH, real git and real processes');
  screen.blank();
  await environment.open();
  screen.fact(
    'Gerrit',
    `${environment.gerrit.title}, SSH on ${environment.gerrit.host}:${environment.gerrit.port}, project ${PROJECT}`,
  );
  screen.fact('logs', `${environment.logsUrl}/`);
  const took = await environment.startDaemon();
  screen.fact(
    'daemon',
    `pid ${environment.daemon.pid}, its own process, listening after ${formatDuration(took)}`,
  );
  const first = await changePasses(scene);
  await changeFails(scene);
  const third = await daemonDiesWhileTesting(scene);
  await daemonDiesWhileReporting(scene);
  await setupFails(scene);
  await changeConflicts(scene, first);
  if (environment.cloud === null) {
    screen.scene(7, 'A server in OpenStack');
    screen.note('left out: its servers need the program sshd: apt-get install openssh-server');
  } else await cloudSetsUpServer(scene, environment.cloud);
  await showStory(scene, third);
  if (!keep) await claimNothingLeft(scene);
  screen.blank();
  const verdict = screen.failed === 0 ? 'All claims held' : `${screen.failed} claims did not hold`;
  screen.heading(`${verdict}: ${screen.held} proofs in ${formatDuration(performance.now() - start)}.`);
  if (!keep) screen.note('npm run demo -- --keep   keeps everything running and prints commands to try');
  return third;
}

/** Shows the job's story, and replays the log. */
async function showStory({ environment, screen }: SceneContext, job: JobView): Promise<void> {
  screen.blank();
  screen.heading(`sos-ci job ${job.id.slice(0, 12)}     the third job`);
  screen.verbatim((await environment.daemon.runCommand('job', job.id)).text);
  screen.blank();
  screen.heading('sos-ci replay --all');
  const replay = await environment.daemon.runCommand('replay', '--all');
  screen.verbatim(replay.text);
  screen.claim(replay.code === 0, 'every row of the log replays to the same result', `exit ${replay.code}`);
}

async function claimNothingLeft({ environment, screen }: SceneContext): Promise<void> {
  screen.blank();
  const code = await environment.stopDaemon();
  screen.claim(code === 0, 'SIGTERM ends the daemon cleanly', `exit code ${code}`);
  const processes = await markedProcesses(environment.directory);
  const commands = processes.map(({ pid, command }) => `${pid} ${command}`);
  screen.claim(processes.length === 0, 'no process of any job is left', commands.join('; '));
  const directories = [
    ...(await environment.remainingServers()),
    ...(await stagedEvidence(environment.stateDir)),
  ];
  screen.claim(
    directories.length === 0,
    'no server and no unpublished evidence is left',
    directories.join(', '),
  );
}

/** For `--keep`: prints commands to paste into another terminal. */
function printKeepHelp({ environment, screen }: SceneContext, program: string, job: JobView): void {
  const config = environment.path('sos-ci.yaml');
  const command = (args: string): string =>
    `node ${shellQuoted(program)} ${args} --config ${shellQuoted(config)}`;
  screen.blank();
  screen.note('Still running. In another terminal:');
  screen.blank();
  screen.fact('push', `cd ${shellQuoted(environment.developer.directory)}`);
  screen.fact('', "git commit --allow-empty -m 'My change' && git push");
  screen.fact('kill', `kill -9 ${environment.daemon.pid}`);
  screen.fact('start again', command('daemon'));
  screen.fact('inspect', command('status'));
  screen.fact('', command('jobs'));
  screen.fact('', command(`job ${job.id.slice(0, 12)}`));
  screen.fact('', command('verify'));
  screen.fact('logs', `${environment.logsUrl}/`);
  screen.fact('daemon log', `tail -f ${shellQuoted(environment.path('daemon.log'))}`);
  screen.blank();
  screen.note('Ctrl-C stops and removes everything.');
}

async function printFailure(environment: DemoEnvironment, screen: Screen, error: unknown): Promise<void> {
  const text = error instanceof Error ? error.message : String(error);
  const stack = error instanceof DemoFailure || !(error instanceof Error) ? '' : (error.stack ?? '');
  screen.claim(false, 'the demo runs to its end', text);
  if (stack !== '') screen.verbatim(stack);
  screen.note("The end of the daemon's log:");
  screen.verbatim(await environment.daemon.logTail(LOG_LINES));
}

/** Processes that are still running after everything was closed. */
async function leftovers(environment: DemoEnvironment): Promise<string> {
  const processes = await markedProcesses(environment.directory);
  const daemons = await findDaemons(environment.path('sos-ci.yaml'));
  return [...processes.map(({ pid, command }) => `${pid} ${command}`), ...daemons.map(String)].join('; ');
}

async function missingPrograms(): Promise<readonly string[]> {
  const directories = (process.env.PATH ?? '').split(path.delimiter);
  const found = await Promise.all(
    REQUIRED_PROGRAMS.map(async (name) => {
      const attempts = directories.map((directory) =>
        access(path.join(directory, name), constants.X_OK).then(() => true),
      );
      return Promise.any(attempts).catch(() => false);
    }),
  );
  return REQUIRED_PROGRAMS.filter((_name, index) => found[index] !== true);
}

/** Quotes only what a shell would split or expand. */
function shellQuoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
