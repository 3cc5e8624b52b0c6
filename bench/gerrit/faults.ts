/** Measures the cost of each fault: lost pushes, lost or wrong verdicts, and the time to recover. */
import type { Testbed } from '../../test/e2e/gerrit/testbed.ts';
import type { Bench, Row } from './main.ts';
import { BenchSetup, seconds } from './setup.ts';

const OUTAGE_MS = 40_000;
/** Pushes after each outage. */
const PUSHES_AFTER = 16;

export const faults: Readonly<Record<string, Bench>> = {
  'pushed-while-down': pushedWhileDown,
  'killed-while-running': killedWhileRunning,
  'gerrit-unavailable': gerritUnavailable,
  'gerrit-unavailable-at-the-end': gerritUnavailableAtTheEnd,
  'program-missing': programMissing,
};

async function pushedWhileDown(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  await (await setup.case.startDaemon()).stop();
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const change = await setup.case.checkout().push();
    const started = Date.now();
    const daemon = setup.case.spawnDaemon();
    times.push((await setup.eventTime(change, 'at')) - started);
    await setup.reviewTime(change);
    await setup.untilIdle();
    await daemon.stop();
  }
  const measured = `tested, ${times.length} of ${runs}; ${seconds(times)} from the start to the first command`;
  return [{ what: 'pushed while the CI is down', measured, goal: 'tested', met: times.length === runs }];
}

async function killedWhileRunning(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  let resumed = 0;
  let voted = 0;
  let tested = 0;
  let daemon = await setup.case.startDaemon();
  for (let run = 0; run < runs; run += 1) {
    const running = await setup.pushHeld();
    await setup.eventTime(running, 'at');
    await daemon.kill();
    const pushed = await setup.case.checkout().push();
    daemon = setup.case.spawnDaemon();
    setup.case.go();
    await setup.reviewTime(running);
    await setup.reviewTime(pushed);
    await setup.untilIdle();
    resumed += setup.eventTimes(running, 'at').length === 1 ? 1 : 0;
    voted += (await hasOneCorrectVote(setup, running)) ? 1 : 0;
    tested += (await hasOneCorrectVote(setup, pushed)) ? 1 : 0;
  }
  await daemon.stop();
  const measured = `the same process continued in ${resumed} of ${runs} runs, one correct vote in ${voted}, a push during the downtime tested in ${tested}`;
  const met = resumed === runs && voted === runs && tested === runs;
  return [
    {
      what: 'SIGKILL of the daemon while a job runs',
      measured,
      goal: 'continues, nothing lost or wrong',
      met,
    },
  ];
}

async function gerritUnavailable(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  const rounds = Math.max(1, Math.round(runs / 4));
  const delays: number[] = [];
  let lost = 0;
  const daemon = await setup.case.startDaemon();
  for (let round = 0; round < rounds; round += 1) {
    await testbed.gerrit.stop();
    await new Promise((resolve) => setTimeout(resolve, OUTAGE_MS));
    await testbed.gerrit.start();
    const changes: number[] = [];
    for (let pushes = 0; pushes < PUSHES_AFTER; pushes += 1) changes.push(await setup.case.checkout().push());
    const [first] = changes;
    const back = Date.now();
    if (first !== undefined) delays.push(Math.max(0, (await setup.eventTime(first, 'at')) - back));
    for (const change of changes) await setup.reviewTime(change);
    await setup.untilIdle();
    for (const change of changes) lost += (await hasOneCorrectVote(setup, change)) ? 0 : 1;
  }
  await daemon.stop();
  const pushes = rounds * PUSHES_AFTER;
  const measured = `${lost} of ${pushes} pushes without exactly one correct vote; the first job began ${seconds(delays)} after the last push`;
  return [{ what: 'Gerrit unavailable for 40 s', measured, goal: 'none lost', met: lost === 0 }];
}

async function gerritUnavailableAtTheEnd(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed);
  const times: number[] = [];
  let once = 0;
  const daemon = await setup.case.startDaemon();
  for (let run = 0; run < runs; run += 1) {
    const change = await setup.pushHeld();
    await setup.eventTime(change, 'at');
    await testbed.gerrit.stop();
    setup.case.go();
    await setup.eventTime(change, 'end');
    await testbed.gerrit.start();
    const back = Date.now();
    times.push((await setup.reviewTime(change)) - back);
    await setup.untilIdle();
    once += (await hasOneCorrectVote(setup, change)) ? 1 : 0;
  }
  await daemon.stop();
  const measured = `posted exactly once in ${once} of ${runs} runs, ${seconds(times)} after Gerrit was back`;
  return [
    {
      what: 'Gerrit unavailable when the job ends',
      measured,
      goal: 'posted when it is back, once',
      met: once === runs,
    },
  ];
}

async function programMissing(testbed: Testbed, runs: number): Promise<readonly Row[]> {
  const setup = await BenchSetup.open(testbed, { program: './no-such-program', node: true });
  const { case: benchCase } = setup;
  const daemon = await benchCase.startDaemon();
  let withoutVote = 0;
  for (let run = 0; run < runs; run += 1) {
    const change = await benchCase.checkout().push();
    await setup.reviewTime(change);
    await setup.untilIdle();
    withoutVote +=
      (await benchCase.vote(change)) === 0 && (await benchCase.messages(change)).length === 1 ? 1 : 0;
  }
  const alarmed = /command-missing/.test((await benchCase.runCli('status')).text);
  await daemon.stop();
  const measured = `comment without a vote ${withoutVote} of ${runs}, ${alarmed ? 'alarm raised' : 'no alarm'}`;
  const met = withoutVote === runs && alarmed;
  return [{ what: 'program missing on the node', measured, goal: 'comment without a vote, alarm', met }];
}

/** Whether the change has exactly one message, and the vote of a successful job. */
async function hasOneCorrectVote(setup: BenchSetup, change: number): Promise<boolean> {
  const messages = await setup.case.messages(change);
  return messages.length === 1 && (await setup.case.vote(change)) === 1;
}
