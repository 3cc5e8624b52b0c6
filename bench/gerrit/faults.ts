/** What each fault costs: pushes lost, verdicts lost or wrong, and how long until all is as it should be. */
import type { Rig } from '../../test/e2e/gerrit/rig.ts';
import type { Bench, Row } from './main.ts';
import { Place, seconds } from './place.ts';

const AWAY_MS = 40_000;
/** As many as were pushed to the others. */
const PUSHES_AFTER = 16;

export const faults: Readonly<Record<string, Bench>> = {
  'pushed-while-down': pushedWhileDown,
  'killed-while-running': killedWhileRunning,
  'gerrit-away': gerritAway,
  'gerrit-away-at-the-end': gerritAwayAtTheEnd,
  'program-missing': programMissing,
};

async function pushedWhileDown(rig: Rig, runs: number): Promise<readonly Row[]> {
  const place = await Place.open(rig);
  await (await place.one.startDaemon()).stop();
  const times: number[] = [];
  for (let run = 0; run < runs; run += 1) {
    const change = await place.one.checkout().push();
    const started = Date.now();
    const daemon = place.one.spawnDaemon();
    times.push((await place.stamp(change, 'at')) - started);
    await place.visible(change);
    await place.untilIdle();
    await daemon.stop();
  }
  const measured = `tested, ${times.length} of ${runs}; start to first command ${seconds(times)}`;
  return [{ what: 'pushed while the CI is down', measured, goal: 'tested', met: times.length === runs }];
}

async function killedWhileRunning(rig: Rig, runs: number): Promise<readonly Row[]> {
  const place = await Place.open(rig);
  let wentOn = 0;
  let voted = 0;
  let heard = 0;
  let daemon = await place.one.startDaemon();
  for (let run = 0; run < runs; run += 1) {
    const running = await place.pushHeld();
    await place.stamp(running, 'at');
    await daemon.kill();
    const pushed = await place.one.checkout().push();
    daemon = place.one.spawnDaemon();
    place.one.go();
    await place.visible(running);
    await place.visible(pushed);
    await place.untilIdle();
    wentOn += place.stamps(running, 'at').length === 1 ? 1 : 0;
    voted += (await judged(place, running)) ? 1 : 0;
    heard += (await judged(place, pushed)) ? 1 : 0;
  }
  await daemon.stop();
  const measured = `the same process went on ${wentOn} of ${runs}, right vote once ${voted} of ${runs}, push meanwhile tested ${heard} of ${runs}`;
  const met = wentOn === runs && voted === runs && heard === runs;
  return [
    { what: 'SIGKILL of the daemon while a job runs', measured, goal: 'goes on, nothing lost or wrong', met },
  ];
}

async function gerritAway(rig: Rig, runs: number): Promise<readonly Row[]> {
  const place = await Place.open(rig);
  const rounds = Math.max(1, Math.round(runs / 4));
  const deaf: number[] = [];
  let lost = 0;
  const daemon = await place.one.startDaemon();
  for (let round = 0; round < rounds; round += 1) {
    await rig.gerrit.stop();
    await new Promise((resolve) => setTimeout(resolve, AWAY_MS));
    await rig.gerrit.start();
    const changes: number[] = [];
    for (let pushes = 0; pushes < PUSHES_AFTER; pushes += 1) changes.push(await place.one.checkout().push());
    const [first] = changes;
    const back = Date.now();
    if (first !== undefined) deaf.push(Math.max(0, (await place.stamp(first, 'at')) - back));
    for (const change of changes) await place.visible(change);
    await place.untilIdle();
    for (const change of changes) lost += (await judged(place, change)) ? 0 : 1;
  }
  await daemon.stop();
  const pushes = rounds * PUSHES_AFTER;
  const measured = `${lost} of ${pushes} pushes lost; the first one began ${seconds(deaf)} after the last push`;
  return [{ what: 'Gerrit away for 40 s', measured, goal: 'none lost', met: lost === 0 }];
}

async function gerritAwayAtTheEnd(rig: Rig, runs: number): Promise<readonly Row[]> {
  const place = await Place.open(rig);
  const times: number[] = [];
  let once = 0;
  const daemon = await place.one.startDaemon();
  for (let run = 0; run < runs; run += 1) {
    const change = await place.pushHeld();
    await place.stamp(change, 'at');
    await rig.gerrit.stop();
    place.one.go();
    await place.stamp(change, 'end');
    await rig.gerrit.start();
    const back = Date.now();
    times.push((await place.visible(change)) - back);
    await place.untilIdle();
    once += (await judged(place, change)) ? 1 : 0;
  }
  await daemon.stop();
  const measured = `posted once ${once} of ${runs}, ${seconds(times)} after Gerrit was back`;
  return [
    {
      what: 'Gerrit away when the job ends',
      measured,
      goal: 'posted when it is back, once',
      met: once === runs,
    },
  ];
}

async function programMissing(rig: Rig, runs: number): Promise<readonly Row[]> {
  const place = await Place.open(rig, { program: './no-such-program', node: true });
  const { one } = place;
  const daemon = await one.startDaemon();
  let silent = 0;
  for (let run = 0; run < runs; run += 1) {
    const change = await one.checkout().push();
    await place.visible(change);
    await place.untilIdle();
    silent += (await one.vote(change)) === 0 && (await one.messages(change)).length === 1 ? 1 : 0;
  }
  const alarmed = /command-missing/.test((await one.ask('status')).text);
  await daemon.stop();
  const measured = `comment without vote ${silent} of ${runs}, ${alarmed ? 'alarm raised' : 'no alarm'}`;
  const met = silent === runs && alarmed;
  return [{ what: 'program missing on the node', measured, goal: 'comment without vote, alarm', met }];
}

/** One message, and the vote that a job that ended well deserves. */
async function judged(place: Place, change: number): Promise<boolean> {
  const messages = await place.one.messages(change);
  return messages.length === 1 && (await place.one.vote(change)) === 1;
}
