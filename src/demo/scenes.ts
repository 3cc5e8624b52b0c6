/**
 * The seven scenes. Each one pushes a change, watches the job, may break something on purpose, and then checks claims,
 * most of them from outside: Gerrit's messages and votes, processes and their ticks, directories, the mirror's counter.
 */
import { readFile } from 'node:fs/promises';
import type { JobView } from '../engine/ports/store.ts';
import { formatDuration } from '../machines/model/duration.ts';
import type { Developer } from './developer.ts';
import type { DemoEnvironment } from './environment.ts';
import type { LabCloud } from './lab-cloud.ts';
import { findFile, findGap, readTicks, stageProcess } from './observer.ts';
import type { Screen } from './output.ts';
import { CHANGES, FAILING_TEST, FAILING_TEST_ID, type SampleChange } from './sample-project.ts';
import { StageWatch } from './stage-watch.ts';
import { waitForPromise } from './wait.ts';

/** The environment of a scene, its output, and the signal that ends it. */
export interface SceneContext {
  readonly environment: DemoEnvironment;
  readonly screen: Screen;
  readonly signal: AbortSignal;
}

const TICKS_BEFORE_KILL = 8;
const TICKS_WHILE_DEAD = 8;
/** Ten missed ticks: more than a busy machine causes. */
const LONGEST_PAUSE_MS = 1000;
const REVIEW_TIMEOUT_MS = 30_000;

export async function changePasses(scene: SceneContext): Promise<JobView> {
  scene.screen.scene(1, 'A change passes');
  const { watch, change } = await push(scene, CHANGES.passes);
  const job = await watch.waitForEnd();
  const text = await showReview(scene, change);
  await claimReview(scene, change, /^Build succeeded/, 1);
  scene.screen.fact('logs', job.url ?? 'none');
  const page = await readUrl(job.url);
  scene.screen.claim(page.includes('results.tap'), 'the logs are readable', page.slice(0, 80));
  const line = / : SUCCESS/.test(text);
  scene.screen.claim(line, 'the comment has a line for the job, with SUCCESS', text);
  return job;
}

export async function changeFails(scene: SceneContext): Promise<JobView> {
  scene.screen.scene(2, 'A change has a failing test');
  const { watch, change } = await push(scene, CHANGES.fails);
  const job = await watch.waitForEnd();
  const text = await showReview(scene, change);
  await claimReview(scene, change, /^Build failed/, -1);
  scene.screen.claim(/ : FAILURE/.test(text), 'the comment says FAILURE', text);
  scene.screen.claim(text.includes(FAILING_TEST), `and names the test "${FAILING_TEST}"`, text);
  return job;
}

export async function daemonDiesWhileTesting(scene: SceneContext): Promise<JobView> {
  const { environment, screen } = scene;
  screen.scene(3, 'The daemon is killed with SIGKILL in the middle of testing');
  const { watch, change } = await push(scene, CHANGES.takesLong);
  await watch.waitForStage('testing');
  const countTicks = async (): Promise<number> => (await currentTicks(environment)).length;
  await watch.waitUntil('the tests to tick', async () => (await countTicks()) >= TICKS_BEFORE_KILL);
  const before = await stageProcess(environment.directory, './run-tests.sh');
  const oldPid = environment.daemon.pid;
  await environment.daemon.kill();
  const atKill = await countTicks();
  screen.note(`kill -9 ${oldPid}: the daemon is dead, the tests (pid ${before?.pid}) are at tick ${atKill}`);
  await watch.waitUntil(
    'ticks without a daemon',
    async () => (await countTicks()) >= atKill + TICKS_WHILE_DEAD,
  );
  const startMs = await environment.startDaemon();
  screen.note(`started again as pid ${environment.daemon.pid}, listening after ${formatDuration(startMs)}`);
  const after = await stageProcess(environment.directory, './run-tests.sh');
  const job = await watch.waitForEnd();
  const describe = (process: typeof before): string => `${process?.pid}, started at ${process?.startTicks}`;
  screen.claim(
    before !== null && after !== null && describe(before) === describe(after),
    `the same process kept running: pid ${before?.pid}`,
    `before ${describe(before)}; after ${describe(after)}`,
  );
  const ticks = readTicks(await publishedFile(scene, job, 'ticks.txt'));
  const gap = findGap(ticks, LONGEST_PAUSE_MS);
  screen.claim(gap === '', `its ${ticks.length} ticks have no gap`, gap);
  const fetches = environment.mirror.fetches.get(job.id) ?? 0;
  screen.claim(fetches === 1, 'setup ran once: the mirror counted one fetch', `${fetches} fetches`);
  await claimReview(scene, change, /^Build succeeded/, 1);
  return job;
}

export async function daemonDiesWhileReporting(scene: SceneContext): Promise<JobView> {
  const { environment, screen, signal } = scene;
  screen.scene(4, 'The daemon is killed after Gerrit accepted the review and before that is recorded');
  const heldResponse = environment.gerrit.holdResponse();
  const reviewsBefore = await environment.gerrit.reviewsSent();
  const { watch, change } = await push(scene, CHANGES.reworded);
  let reached = false;
  void heldResponse.accepted.then(() => {
    reached = true;
  });
  await watch.waitUntil('Gerrit to accept the review', () => reached);
  const atKill = (await environment.gerrit.messages(change)).length;
  const recorded = environment.reader.review(environment.reader.job(watch.job)?.review ?? '')?.ended ?? false;
  await environment.daemon.kill();
  heldResponse.release();
  screen.note(`kill -9: Gerrit shows ${atKill} message of the CI, the daemon's log has ${recorded ? 1 : 0}`);
  const startMs = await waitForPromise('the daemon', REVIEW_TIMEOUT_MS, signal, environment.startDaemon());
  screen.note(`started again as pid ${environment.daemon.pid}, listening after ${formatDuration(startMs)}`);
  const job = await watch.waitForEnd();
  screen.claim(
    atKill === 1 && !recorded,
    'the kill happened between the two',
    `${atKill} accepted, ${recorded}`,
  );
  await claimReview(scene, change, /^Build succeeded/, 1);
  const sent = (await environment.gerrit.reviewsSent()) - reviewsBefore;
  screen.claim(
    sent === 1,
    'one review was sent to Gerrit: the daemon looked for it before posting again',
    `${sent} sent`,
  );
  return job;
}

export async function setupFails(scene: SceneContext): Promise<JobView> {
  const { environment, screen } = scene;
  screen.scene(5, 'Setup fails: the package mirror is down');
  await environment.mirror.close();
  const { watch, change } = await push(scene, CHANGES.documented);
  const job = await watch.waitForEnd();
  const text = await showReview(scene, change);
  await claimReview(scene, change, /^Build failed/, 0);
  screen.claim(!text.includes('FAILURE'), 'the comment never says FAILURE', text);
  screen.claim(/stack/i.test(text), 'it says that setup failed', text);
  await environment.mirror.open();
  return job;
}

/** `merged` is another change, which is merged first. */
export async function changeConflicts(scene: SceneContext, merged: JobView): Promise<JobView> {
  const { environment, screen } = scene;
  screen.scene(6, 'A change conflicts with its branch');
  await environment.gerrit.merge(merged.change);
  screen.note(
    `change ${merged.change} "${merged.subject}" is merged; the next change is based on the branch before it`,
  );
  const { watch, change } = await push(scene, CHANGES.conflicts);
  const job = await watch.waitForEnd();
  screen.note(`the job ended as ${job.verdict}: ${job.reason}`);
  const conflictFound = job.verdict === 'MERGER_FAILURE' && job.reason.includes('volume.mjs');
  screen.claim(conflictFound, 'the conflict was found, with the file', `${job.verdict}: ${job.reason}`);
  const stages = [...new Set(environment.reader.rows(job.id).map((row) => row.state.split('.')[0]))].join(
    ', ',
  );
  const fetches = environment.mirror.fetches.get(job.id) ?? 0;
  const nothingBooted = !stages.includes('booting') && fetches === 0;
  screen.claim(nothingBooted, 'before a server booted', `${stages}; ${fetches} fetches`);
  const messages = await environment.gerrit.messages(change);
  const votes = JSON.stringify(await environment.gerrit.votes(change));
  const silent = messages.length === 0 && votes === '{}';
  screen.claim(silent, 'nothing was posted in Gerrit', `${messages.length} messages, votes ${votes}`);
  return job;
}

/** The server is one of OpenStack, set up by a playbook if this host has an Ansible. */
export async function cloudSetsUpServer(scene: SceneContext, cloud: LabCloud): Promise<void> {
  const { environment, screen } = scene;
  const { ansible } = cloud.programs;
  const playbook = 'program' in ansible;
  screen.scene(7, `A server in OpenStack is set up by a ${playbook ? 'playbook' : 'script'}, and tested`);
  screen.fact('OpenStack', `embedded, Keystone at ${cloud.authUrl}, servers behind a real sshd`);
  if (playbook) screen.fact('Ansible', ansible.program);
  else screen.note(`a script instead of a playbook: ${ansible.why}`);
  const { watch, change } = await push(scene, CHANGES.fails, environment.cloudDeveloper);
  const job = await watch.waitForEnd();
  const text = await showReview(scene, change);
  await claimReview(scene, change, /^Build failed/, -1);
  screen.claim(cloud.orders === 1, 'one server was ordered from Nova', `${cloud.orders} orders`);
  const log = await publishedFile(scene, job, 'stacking.log');
  const ran =
    log.includes('installed array-client') &&
    (!playbook || log.includes("TASK [Install the array's client]"));
  screen.claim(ran, `the ${playbook ? 'playbook' : 'script'} set it up`, log.slice(-200));
  screen.claim(text.includes(FAILING_TEST_ID), `subunit named the failed test ${FAILING_TEST_ID}`, text);
  const page = await readUrl(`${job.url}testr_results.html`);
  screen.claim(page.includes(FAILING_TEST_ID), 'testr_results.html has it too', page.slice(0, 80));
}

/** Pushes with the real git; the change is Gerrit's newest. */
async function push(
  { environment, screen, signal }: SceneContext,
  change: SampleChange,
  developer: Developer = environment.developer,
): Promise<{ watch: StageWatch; change: number }> {
  screen.begin('push');
  const start = performance.now();
  await developer.push(change);
  const number = await environment.gerrit.newestChange();
  screen.finish(`change ${number},1 "${change.subject}" in ${formatDuration(performance.now() - start)}`);
  const watch = new StageWatch(environment.reader, number, screen, signal, () =>
    environment.daemon.assertRunning(),
  );
  return { watch, change: number };
}

/** Prints our messages as Gerrit shows them, and returns them as one text. */
async function showReview({ environment, screen }: SceneContext, change: number): Promise<string> {
  const messages = await environment.gerrit.messages(change);
  screen.note('Gerrit shows:');
  for (const text of messages) screen.quote(text);
  return messages.join('\n');
}

/** Claims one message with this beginning, this vote, and no server left. */
async function claimReview(
  scene: SceneContext,
  change: number,
  beginning: RegExp,
  vote: number,
): Promise<void> {
  const { environment, screen } = scene;
  const messages = await environment.gerrit.messages(change);
  const body = messages[0]?.replace(/^Patch Set 1:.*\n\n/, '') ?? '';
  const votes = JSON.stringify(await environment.gerrit.votes(change));
  const expectedVotes = vote === 0 ? '{}' : `{"Verified":${vote}}`;
  const votedText = vote === 0 ? 'no vote' : `Verified${vote > 0 ? '+' : ''}${vote}`;
  screen.claim(
    messages.length === 1 && beginning.test(body) && votes === expectedVotes,
    `one message in Gerrit, ${votedText}`,
    `${messages.length} messages, votes ${votes}: ${body.split('\n')[0]}`,
  );
  const servers = await environment.remainingServers();
  screen.claim(servers.length === 0, 'no server left', servers.join(', '));
}

/** The ticks of the running stage, from the server's directory. */
async function currentTicks(environment: DemoEnvironment): Promise<ReturnType<typeof readTicks>> {
  const file = await findFile(environment.path('state', 'servers'), 'ticks.txt');
  return file === null ? [] : readTicks(await readFile(file, 'utf8').catch(() => ''));
}

async function publishedFile({ environment }: SceneContext, job: JobView, name: string): Promise<string> {
  const path = decodeURIComponent((job.url ?? '').slice(environment.logsUrl.length));
  const file = await findFile(environment.path('logs', path), name);
  return file === null ? '' : readFile(file, 'utf8');
}

async function readUrl(url: string | null): Promise<string> {
  if (url === null) return 'no address';
  const response = await fetch(url, { signal: AbortSignal.timeout(REVIEW_TIMEOUT_MS) });
  return response.ok ? response.text() : `HTTP ${response.status}`;
}
