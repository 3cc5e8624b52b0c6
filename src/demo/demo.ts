/**
 * `sos-ci demo`: a patchset's way from a push to a review, six times, with real SSH, real git and real processes on
 * this host. Promises: exit code 0 only if every claim held, and nothing left running or lying about, also after Ctrl-C.
 */
import { access, constants } from 'node:fs/promises';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { JobView } from '../engine/ports/store.ts';
import { formatDuration } from '../machines/model/duration.ts';
import { sleep } from '../timer.ts';
import { EmbeddedHost } from './embedded-host.ts';
import { Lab } from './environment.ts';
import type { GerritHost } from './gerrit-host.ts';
import { daemonsOf, markedProcesses, serversLeft, stagedEvidence } from './observer.ts';
import { Screen } from './output.ts';
import { PROJECT } from './sample-project.ts';
import {
  changeConflicts,
  changeFails,
  changePasses,
  daemonDiesWhileReporting,
  daemonDiesWhileTesting,
  type Stage,
  setupFails,
} from './scenes.ts';
import { DemoFailure } from './wait.ts';

export interface DemoOptions {
  /** Stay up afterwards, until Ctrl-C. */
  readonly keep: boolean;
  /** Makes the Gerrit that it runs on, below a directory. Default: the embedded one. */
  readonly makeGerrit?: (directory: string) => Promise<GerritHost>;
  readonly out: (text: string) => void;
  readonly color: boolean;
  /** The command line's main file; by default the one that was built with this file. */
  readonly program?: string;
}

const NEEDED = ['git', 'ssh', 'sh', 'flock', 'setsid'] as const;
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
  let lab: Lab;
  try {
    lab = await Lab.make(program, options.makeGerrit ?? embeddedGerrit, interrupted.signal);
  } catch (error) {
    screen.claim(false, 'there is a Gerrit to show it with', error instanceof Error ? error.message : '');
    return 1;
  }
  let ended = false;
  let broken = false;
  try {
    const stage = { lab, screen, signal: interrupted.signal };
    const third = await play(stage, options.keep);
    ended = true;
    if (options.keep) {
      await lab.developer.startAnew();
      offer(stage, program, third);
      await sleep(NEVER_MS, interrupted.signal);
    }
  } catch (error) {
    broken = !interrupted.signal.aborted;
    if (broken) await tellFailure(lab, screen, error);
  } finally {
    const look = broken || screen.failed > 0;
    if (interrupted.signal.aborted) screen.note('Ending and removing everything.');
    await lab.close(look);
    if (look) screen.note(`left for you to look at: ${lab.directory}`);
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.off(name, interrupt);
  }
  const left = await leftovers(lab);
  if (left !== '') screen.claim(false, 'nothing is left running', left);
  if (broken || screen.failed > 0) return 1;
  return ended ? 0 : INTERRUPTED;
}

/** All scenes; resolves to the job of the third. */
async function play(stage: Stage, keep: boolean): Promise<JobView> {
  const { lab, screen } = stage;
  const start = performance.now();
  screen.heading('sos-ci demo: from a push to a review, with real SSH, real git and real processes');
  screen.blank();
  await lab.open();
  screen.fact(
    'Gerrit',
    `${lab.gerrit.title}, SSH on ${lab.gerrit.host}:${lab.gerrit.port}, project ${PROJECT}`,
  );
  screen.fact('logs', `${lab.logsUrl}/`);
  const took = await lab.startDaemon();
  screen.fact(
    'daemon',
    `pid ${lab.daemon.pid}, a process of its own, listening after ${formatDuration(took)}`,
  );
  const first = await changePasses(stage);
  await changeFails(stage);
  const third = await daemonDiesWhileTesting(stage);
  await daemonDiesWhileReporting(stage);
  await setupFails(stage);
  await changeConflicts(stage, first);
  await showStory(stage, third);
  if (!keep) await claimNothingLeft(stage);
  screen.blank();
  const verdict = screen.failed === 0 ? 'All of it held' : `${screen.failed} claims did not hold`;
  screen.heading(`${verdict}: ${screen.held} proofs in ${formatDuration(performance.now() - start)}.`);
  if (!keep) screen.note('npm run demo -- --keep   stays up, with the lines to play with: push, kill, look.');
  return third;
}

/** What our own commands tell of it, and that the log computes to the same again. */
async function showStory({ lab, screen }: Stage, job: JobView): Promise<void> {
  screen.blank();
  screen.heading(`sos-ci job ${job.id.slice(0, 12)}     the third job`);
  screen.verbatim((await lab.daemon.ask('job', job.id)).text);
  screen.blank();
  screen.heading('sos-ci replay --all');
  const replay = await lab.daemon.ask('replay', '--all');
  screen.verbatim(replay.text);
  screen.claim(replay.code === 0, 'every row of the log computes to the same again', `exit ${replay.code}`);
}

async function claimNothingLeft({ lab, screen }: Stage): Promise<void> {
  screen.blank();
  const code = await lab.stopDaemon();
  screen.claim(code === 0, 'SIGTERM ends the daemon cleanly', `exit code ${code}`);
  const processes = await markedProcesses(lab.directory);
  const commands = processes.map(({ pid, command }) => `${pid} ${command}`);
  screen.claim(processes.length === 0, 'no process of any job is left', commands.join('; '));
  const folders = [...(await serversLeft(lab.stateDir)), ...(await stagedEvidence(lab.stateDir))];
  screen.claim(folders.length === 0, 'no server and no unpublished evidence is left', folders.join(', '));
}

/** `--keep`: lines that can be pasted into another terminal. */
function offer({ lab, screen }: Stage, program: string, job: JobView): void {
  const config = lab.path('sos-ci.yaml');
  const command = (words: string): string => `node ${quoted(program)} ${words} --config ${quoted(config)}`;
  screen.blank();
  screen.note('Still up. In another terminal:');
  screen.blank();
  screen.fact('push', `cd ${quoted(lab.developer.directory)}`);
  screen.fact('', "git commit --allow-empty -m 'My change' && git push");
  screen.fact('kill', `kill -9 ${lab.daemon.pid}`);
  screen.fact('start again', command('daemon'));
  screen.fact('look', command('status'));
  screen.fact('', command('jobs'));
  screen.fact('', command(`job ${job.id.slice(0, 12)}`));
  screen.fact('', command('verify'));
  screen.fact('logs', `${lab.logsUrl}/`);
  screen.fact('daemon log', `tail -f ${quoted(lab.path('daemon.log'))}`);
  screen.blank();
  screen.note('Ctrl-C ends and removes everything.');
}

async function tellFailure(lab: Lab, screen: Screen, error: unknown): Promise<void> {
  const text = error instanceof Error ? error.message : String(error);
  const stack = error instanceof DemoFailure || !(error instanceof Error) ? '' : (error.stack ?? '');
  screen.claim(false, 'the demo comes to its end', text);
  if (stack !== '') screen.verbatim(stack);
  screen.note("The end of the daemon's log:");
  screen.verbatim(await lab.daemon.logTail(LOG_LINES));
}

/** Looked for once more when everything was closed. */
async function leftovers(lab: Lab): Promise<string> {
  const processes = await markedProcesses(lab.directory);
  const daemons = await daemonsOf(lab.path('sos-ci.yaml'));
  return [...processes.map(({ pid, command }) => `${pid} ${command}`), ...daemons.map(String)].join('; ');
}

async function missingPrograms(): Promise<readonly string[]> {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const found = await Promise.all(
    NEEDED.map(async (name) => {
      const tries = folders.map((folder) => access(path.join(folder, name), constants.X_OK).then(() => true));
      return Promise.any(tries).catch(() => false);
    }),
  );
  return NEEDED.filter((_name, index) => found[index] !== true);
}

/** Only where a shell would stumble. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
