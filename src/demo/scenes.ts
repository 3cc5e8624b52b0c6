/**
 * The six scenes. Each one pushes a change, watches, breaks something where it is meant to, and then claims what the
 * outside saw: Gerrit's messages and votes, processes and their ticks, directories, what the mirror counted.
 */
import { readFile } from 'node:fs/promises';
import type { JobView } from '../engine/ports/store.ts';
import { formatDuration } from '../machines/model/duration.ts';
import type { Lab } from './environment.ts';
import { findFile, gapIn, readTicks, serversLeft, stageProcess } from './observer.ts';
import type { Screen } from './output.ts';
import { CHANGES, FAILING_TEST, type SampleChange } from './sample-project.ts';
import { StageWatch } from './stage-watch.ts';
import { within } from './wait.ts';

/** Where a scene plays. */
export interface Stage {
  readonly lab: Lab;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const TICKS_BEFORE_KILL = 8;
const TICKS_WHILE_DEAD = 8;
/** Ten ticks that did not come: nothing that a busy machine does by itself. */
const LONGEST_PAUSE_MS = 1000;
const REVIEW_LIMIT_MS = 30_000;

export async function changePasses(stage: Stage): Promise<JobView> {
  stage.screen.scene(1, 'A change passes');
  const { watch, change } = await push(stage, CHANGES.passes);
  const job = await watch.ends();
  const text = await showReview(stage, change);
  await claimReview(stage, change, /^Build succeeded/, 1);
  stage.screen.fact('logs', job.url ?? 'none');
  const page = await read(job.url);
  stage.screen.claim(page.includes('results.tap'), 'the logs are there to be read', page.slice(0, 80));
  const line = / : SUCCESS/.test(text);
  stage.screen.claim(line, 'the comment has a line for the job, with SUCCESS', text);
  return job;
}

export async function changeFails(stage: Stage): Promise<JobView> {
  stage.screen.scene(2, 'A change has a failing test');
  const { watch, change } = await push(stage, CHANGES.fails);
  const job = await watch.ends();
  const text = await showReview(stage, change);
  await claimReview(stage, change, /^Build failed/, -1);
  stage.screen.claim(/ : FAILURE/.test(text), 'the comment says FAILURE', text);
  stage.screen.claim(text.includes(FAILING_TEST), `and names the test "${FAILING_TEST}"`, text);
  return job;
}

export async function daemonDiesWhileTesting(stage: Stage): Promise<JobView> {
  const { lab, screen } = stage;
  screen.scene(3, 'The daemon is killed with SIGKILL in the middle of testing');
  const { watch, change } = await push(stage, CHANGES.takesLong);
  await watch.reaches('testing');
  const ticked = async (): Promise<number> => (await liveTicks(lab)).length;
  await watch.meanwhile('the tests to tick', async () => (await ticked()) >= TICKS_BEFORE_KILL);
  const before = await stageProcess(lab.directory, './run-tests.sh');
  const oldPid = lab.daemon.pid;
  await lab.daemon.kill();
  const atKill = await ticked();
  screen.note(`kill -9 ${oldPid}: the daemon is gone, the tests (pid ${before?.pid}) are at tick ${atKill}`);
  await watch.meanwhile('ticks without a daemon', async () => (await ticked()) >= atKill + TICKS_WHILE_DEAD);
  const took = await lab.startDaemon();
  screen.note(`started again as pid ${lab.daemon.pid}, listening after ${formatDuration(took)}`);
  const after = await stageProcess(lab.directory, './run-tests.sh');
  const job = await watch.ends();
  const name = (process: typeof before): string => `${process?.pid}, started at ${process?.startTicks}`;
  screen.claim(
    before !== null && after !== null && name(before) === name(after),
    `the same process ran on: pid ${before?.pid}`,
    `before ${name(before)}; after ${name(after)}`,
  );
  const ticks = readTicks(await publishedFile(stage, job, 'ticks.txt'));
  const gap = gapIn(ticks, LONGEST_PAUSE_MS);
  screen.claim(gap === '', `its ${ticks.length} ticks have no gap`, gap);
  const fetches = lab.mirror.fetches.get(job.id) ?? 0;
  screen.claim(fetches === 1, 'setup was done once: the mirror counted one fetch', `${fetches} fetches`);
  await claimReview(stage, change, /^Build succeeded/, 1);
  return job;
}

export async function daemonDiesWhileReporting(stage: Stage): Promise<JobView> {
  const { lab, screen, signal } = stage;
  screen.scene(4, 'The daemon is killed after Gerrit has taken the review, before that is recorded');
  const held = lab.gerrit.holdAnswer();
  const reviewsBefore = await lab.gerrit.reviewsSent();
  const { watch, change } = await push(stage, CHANGES.reworded);
  let reached = false;
  void held.taken.then(() => {
    reached = true;
  });
  await watch.meanwhile('Gerrit to take the review', () => reached);
  const atKill = (await lab.gerrit.messages(change)).length;
  const recorded = lab.reader.review(lab.reader.job(watch.job)?.review ?? '')?.ended ?? false;
  await lab.daemon.kill();
  held.release();
  screen.note(
    `kill -9: Gerrit shows ${atKill} message of ours, the daemon's log knows of ${recorded ? 1 : 0}`,
  );
  const took = await within('the daemon', REVIEW_LIMIT_MS, signal, lab.startDaemon());
  screen.note(`started again as pid ${lab.daemon.pid}, listening after ${formatDuration(took)}`);
  const job = await watch.ends();
  screen.claim(atKill === 1 && !recorded, 'the kill fell between the two', `${atKill} taken, ${recorded}`);
  await claimReview(stage, change, /^Build succeeded/, 1);
  const sent = (await lab.gerrit.reviewsSent()) - reviewsBefore;
  screen.claim(
    sent === 1,
    'Gerrit was sent one review, and was asked for it before a second',
    `${sent} sent`,
  );
  return job;
}

export async function setupFails(stage: Stage): Promise<JobView> {
  const { lab, screen } = stage;
  screen.scene(5, 'Setup fails: the package mirror is down');
  await lab.mirror.close();
  const { watch, change } = await push(stage, CHANGES.documented);
  const job = await watch.ends();
  const text = await showReview(stage, change);
  await claimReview(stage, change, /^Build failed/, 0);
  screen.claim(!text.includes('FAILURE'), 'the comment never says FAILURE', text);
  screen.claim(/stack/i.test(text), 'it says that setup failed', text);
  await lab.mirror.open();
  return job;
}

/** `merged` is somebody else's change, which the branch gets first. */
export async function changeConflicts(stage: Stage, merged: JobView): Promise<JobView> {
  const { lab, screen } = stage;
  screen.scene(6, 'A change conflicts with its branch');
  await lab.gerrit.merge(merged.change);
  screen.note(
    `change ${merged.change} "${merged.subject}" is merged; the next one stands on the branch before it`,
  );
  const { watch, change } = await push(stage, CHANGES.conflicts);
  const job = await watch.ends();
  screen.note(`the job ended as ${job.verdict}: ${job.reason}`);
  const fits = job.verdict === 'MERGER_FAILURE' && job.reason.includes('volume.mjs');
  screen.claim(fits, 'the conflict was found, with its file', `${job.verdict}: ${job.reason}`);
  const stages = [...new Set(lab.reader.rows(job.id).map((row) => row.state.split('.')[0]))].join(', ');
  const fetches = lab.mirror.fetches.get(job.id) ?? 0;
  const nothingBooted = !stages.includes('booting') && fetches === 0;
  screen.claim(nothingBooted, 'before anything booted', `${stages}; ${fetches} fetches`);
  const messages = await lab.gerrit.messages(change);
  const votes = JSON.stringify(await lab.gerrit.votes(change));
  const silent = messages.length === 0 && votes === '{}';
  screen.claim(silent, 'nothing was posted in Gerrit', `${messages.length} messages, votes ${votes}`);
  return job;
}

/** Pushes with the real git; the change's number is Gerrit's newest. */
async function push(
  { lab, screen, signal }: Stage,
  change: SampleChange,
): Promise<{ watch: StageWatch; change: number }> {
  screen.begin('push');
  const start = performance.now();
  await lab.developer.push(change);
  const number = await lab.gerrit.newest();
  screen.finish(`change ${number},1 "${change.subject}" in ${formatDuration(performance.now() - start)}`);
  const watch = new StageWatch(lab.reader, number, screen, signal, () => lab.daemon.assertNotLost());
  return { watch, change: number };
}

/** Prints our messages as Gerrit shows them; returns them as one text. */
async function showReview({ lab, screen }: Stage, change: number): Promise<string> {
  const messages = await lab.gerrit.messages(change);
  screen.note('Gerrit shows:');
  for (const text of messages) screen.quote(text);
  return messages.join('\n');
}

/** One message with the right beginning, the right vote, and no server left. */
async function claimReview(stage: Stage, change: number, begins: RegExp, vote: number): Promise<void> {
  const { lab, screen } = stage;
  const messages = await lab.gerrit.messages(change);
  const body = messages[0]?.replace(/^Patch Set 1:.*\n\n/, '') ?? '';
  const votes = JSON.stringify(await lab.gerrit.votes(change));
  const wanted = vote === 0 ? '{}' : `{"Verified":${vote}}`;
  const votedText = vote === 0 ? 'no vote' : `Verified${vote > 0 ? '+' : ''}${vote}`;
  screen.claim(
    messages.length === 1 && begins.test(body) && votes === wanted,
    `one message in Gerrit, ${votedText}`,
    `${messages.length} messages, votes ${votes}: ${body.split('\n')[0]}`,
  );
  const servers = await serversLeft(lab.stateDir);
  screen.claim(servers.length === 0, 'no server left', servers.join(', '));
}

/** The ticks of the run that goes on, from the server's own directory. */
async function liveTicks(lab: Lab): Promise<ReturnType<typeof readTicks>> {
  const file = await findFile(lab.path('state', 'servers'), 'ticks.txt');
  return file === null ? [] : readTicks(await readFile(file, 'utf8').catch(() => ''));
}

async function publishedFile({ lab }: Stage, job: JobView, name: string): Promise<string> {
  const place = decodeURIComponent((job.url ?? '').slice(lab.logsUrl.length));
  const file = await findFile(lab.path('logs', place), name);
  return file === null ? '' : readFile(file, 'utf8');
}

async function read(url: string | null): Promise<string> {
  if (url === null) return 'no address';
  const answer = await fetch(url, { signal: AbortSignal.timeout(REVIEW_LIMIT_MS) });
  return answer.ok ? answer.text() : `HTTP ${answer.status}`;
}
