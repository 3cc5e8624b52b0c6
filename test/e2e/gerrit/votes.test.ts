/**
 * Votes after partial runs and on patchsets that jobs exclude, read from Gerrit's REST API; reviews over SSH and REST.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import type { Section } from './case-config.ts';
import type { Checkout } from './checkout.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';

const [FIRST, SECOND] = ['unit-1', 'unit-2'];
const KINDS = [
  'REWORK',
  'TRIVIAL_REBASE',
  'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE',
  'MERGE_FIRST_PARENT_UPDATE',
  'NO_CODE_CHANGE',
  'NO_CHANGE',
] as const;
type Kind = (typeof KINDS)[number];
const LABEL = {
  function: 'NoBlock',
  values: { '-2': 'Fails', '-1': 'Fails', '0': 'No score', '+1': 'Works', '+2': 'Works' },
};

let testbed: Testbed;
let gates: string;
beforeAll(async () => {
  gates = mkdtempSync(join(tmpdir(), 'sos-ci-votes-'));
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(async () => {
  await testbed?.stop();
  rmSync(gates, { recursive: true, force: true });
});

const byRest = (): Section => {
  const file = join(gates, 'password');
  writeFileSync(file, 'secret\n', { mode: 0o600 });
  return { rest: { url: testbed.gerrit.url, password: { file } } };
};
const TRANSPORTS = [
  ['SSH', (): Section => ({})],
  ['REST', byRest],
] as const;

/** Two voting jobs on one project. A job fails while `fail-NAME` is in `gate`. */
async function twoJobs(
  transport: string,
  gerrit: Section,
  test: string,
  more: Section = {},
): Promise<TestCase> {
  const testCase = await testbed.newCase({
    testing: test,
    nodes: 2,
    projects: [`other-${transport}`],
    gerrit,
  });
  const section = { project: testCase.name, ...more };
  testCase.configure({}, { [FIRST]: section, [SECOND]: { ...section, comments: ['^second please'] } });
  return testCase;
}

async function enqueue(testCase: TestCase, change: number, ...jobs: string[]): Promise<void> {
  const { code, text } = await testCase.runCli('enqueue', String(change), ...jobs);
  expect([code, text]).toEqual([0, expect.anything()]);
}

describe.each(TRANSPORTS)('over %s', (transport, gerrit) => {
  test('a partial run after a failure does not raise the vote, and reports the vote that stays', async () => {
    const gate = join(gates, `partial-${transport}`);
    const testCase = await twoJobs(
      transport,
      gerrit(),
      `if [ -e '${gate}' ] && [ "$SOS_CI_JOB_NAME" = ${FIRST} ]; then fail; fi\npass\n`,
    );
    writeFileSync(gate, '');
    const daemon = await testCase.startDaemon();
    const change = await testCase.checkout().push();
    const [first] = await testCase.reported(change);
    expect(first?.text).toMatch(/^Patch Set 1: Verified-1\n/);
    await testCase.settled(2);

    await enqueue(testCase, change, SECOND);
    const enqueued = (await testCase.reported(change, 2)).at(-1);
    expect(enqueued?.text).toMatch(/^Patch Set 1:\n\nBuild succeeded/);
    expect(enqueued?.text).toMatch(/^Verified-1 stays: unit-1 failed, \S+\.$/m);
    expect(await testCase.vote(change)).toBe(-1);
    await testCase.settled(3);

    await testbed.gerrit.as('dev').say(change, 'second please');
    const rechecked = (await testCase.reported(change, 3)).at(-1);
    expect(rechecked?.text).toMatch(/^Verified-1 stays: unit-1 failed, \S+\.$/m);
    expect(await testCase.vote(change)).toBe(-1);
    await testCase.settled(4);

    rmSync(gate);
    await enqueue(testCase, change, FIRST);
    const fixed = (await testCase.reported(change, 4)).at(-1);
    expect(fixed?.text).toMatch(/^Patch Set 1: Verified\+1\n/);
    expect(fixed?.text).toMatch(/^Verified\+1 also counts: unit-2 succeeded, \S+\.$/m);
    expect(await testCase.vote(change)).toBe(1);
    await testCase.settled(5);
    expect(await daemon.stop()).toBe(0);
  });

  test('a verdict applies to a newer patchset of each kind that the jobs exclude', async () => {
    const location = join(gates, `kinds-${transport}-`);
    const script = `at='${location}'"$SOS_CI_CHANGE-$SOS_CI_PATCHSET"
until [ -e "$at" ]; do sleep 0.2; done
if [ -e "$at-fails" ] && [ "$SOS_CI_JOB_NAME" = ${SECOND} ]; then fail; fi
pass
`;
    const testCase = await twoJobs(transport, gerrit(), script, { kinds: { exclude: [...KINDS] } });
    const label = { ...LABEL, copy_condition: 'is:ANY' };
    await testbed.gerrit.as('admin').put(`projects/${testCase.name}/labels/Verified`, label);
    const base = await testCase.checkout().tip();
    const side = await sideBranch(testCase, base);
    const daemon = await testCase.startDaemon();
    const shown: string[] = [];
    const series = [
      {
        change: await testCase.checkout().push({ base }),
        kinds: KINDS.filter((kind) => !kind.startsWith('MERGE')),
      },
      {
        change: await mergeCommit(testCase.checkout(), base, side),
        kinds: KINDS.filter((kind) => kind.startsWith('MERGE')),
      },
    ];
    let jobs = 0;
    for (const { change, kinds } of series) {
      for (const [index, kind] of kinds.entries()) {
        const patchset = index + 1;
        const at = `${location}${change}-${patchset}`;
        await enqueue(testCase, change, FIRST, SECOND);
        jobs += 2;
        await testCase.eventually('both run', () => testCase.ledger('testing').length >= jobs);
        const fails = index % 2 === 1;
        if (fails) writeFileSync(`${at}-fails`, '');
        const copied = await testCase.vote(change);
        await newPatchset(testCase, change, kind, side);
        await testCase.eventually(
          'the new patchset is visible',
          async () => (await testCase.shown(change)).patchset === patchset + 1,
        );
        expect(await kindOf(change)).toBe(kindInEvent(kind));
        // Gerrit has copied the vote of the patchset before.
        expect(await testCase.vote(change)).toBe(copied);
        writeFileSync(at, '');
        const message = (await testCase.reported(change, patchset)).at(-1);
        await testCase.eventually(
          'the vote is visible',
          async () => (await testCase.vote(change)) === (fails ? -1 : 1),
        );
        expect(message?.patchset).toBe(patchset + 1);
        expect(message?.text).toMatch(
          new RegExp(
            `^Patchset ${patchset} was tested; patchset ${patchset + 1} is [^;]+, so the vote counts`,
            'm',
          ),
        );
        shown.push(
          `${kind}: ${copied} was copied, ${await testCase.vote(change)} after the run on ${patchset}`,
        );
        await testCase.settled(jobs);
      }
    }
    console.log(`${transport}\n${shown.join('\n')}`);
    expect(testCase.jobs()).toHaveLength(jobs);
    expect(await daemon.stop()).toBe(0);
  });
});

test('a successful run removes a copied vote that an earlier failure contradicts', async () => {
  const gate = join(gates, 'copied');
  const testCase = await twoJobs(
    'copied',
    {},
    `if [ -e '${gate}' ] && [ "$SOS_CI_JOB_NAME" = ${FIRST} ]; then fail; fi\npass\n`,
  );
  const daemon = await testCase.startDaemon();
  const change = await testCase.checkout().push();
  await testCase.reported(change);
  await testCase.settled(2);
  writeFileSync(gate, '');
  await enqueue(testCase, change, FIRST);
  await testCase.reported(change, 2);
  await testCase.settled(3);
  // A person who can use our account restores the +1.
  await testbed.gerrit.as('acme-ci').review(change, { labels: { Verified: 1 }, tag: 'autogenerated:person' });
  expect(await testCase.vote(change)).toBe(1);
  const messagesOf = (await testCase.messages(change)).length;
  await enqueue(testCase, change, SECOND);
  const message = (await testCase.reported(change, messagesOf + 1)).at(-1);
  expect(message?.text).toMatch(/^Patch Set 1: -Verified\n/);
  expect(message?.text).toMatch(/^Verified\+1 is taken back: unit-1 failed, /m);
  expect(await testCase.vote(change)).toBe(0);
  await testCase.settled(4);
  expect(await daemon.stop()).toBe(0);
});

/** A branch with a commit that master does not have, for merge commits. */
async function sideBranch(testCase: TestCase, base: string): Promise<string> {
  await testbed.gerrit.as('admin').put(`projects/${testCase.name}/branches/side`, { revision: base });
  const checkout = testCase.checkout();
  await checkout.commit({ files: { side: 'side\n' }, base });
  await checkout.git('push', 'origin', 'HEAD:refs/for/side');
  const revision = await checkout.revision();
  const [number] = await testbed.gerrit.as('admin').find(`commit:${revision}`);
  await testbed.gerrit.as('admin').merge(number ?? 0);
  return revision;
}

/** A change that merges the side branch. */
async function mergeCommit(checkout: Checkout, base: string, side: string): Promise<number> {
  await checkout.commit({ files: { README: 'never pushed\n' }, base });
  const message = await checkout.git('log', '-1', '--format=%B');
  await checkout.git('checkout', '--quiet', '--detach', base);
  await checkout.git('merge', '--quiet', '--no-ff', '--message', message, side);
  return checkout.send();
}

/** Merges another commit into the branch. */
async function advance(testCase: TestCase): Promise<string> {
  const checkout = testCase.checkout();
  const before = await checkout.revision();
  const other = await checkout.push({ files: { [`other-${Date.now()}`]: 'other\n' } });
  await testbed.gerrit.as('admin').merge(other);
  const tip = await checkout.tip();
  await checkout.git('checkout', '--quiet', '--detach', before);
  return tip;
}

async function newPatchset(testCase: TestCase, change: number, kind: Kind, side: string): Promise<void> {
  const checkout = testCase.checkout();
  const { revision } = await testCase.shown(change);
  await checkout.git('checkout', '--quiet', '--detach', revision);
  const message = await checkout.git('log', '-1', '--format=%B');
  const reworded = message.replace('\n', `, ${kind}\n`);
  switch (kind) {
    case 'REWORK':
      await checkout.amend({ reworked: 'reworked\n' });
      return;
    case 'NO_CODE_CHANGE':
      await checkout.git('commit', '--quiet', '--amend', '--message', reworded);
      break;
    case 'NO_CHANGE':
      await checkout.git('commit', '--quiet', '--amend', '--no-edit', '--date', '2026-01-02T03:04:05');
      break;
    case 'TRIVIAL_REBASE':
    case 'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE':
    case 'MERGE_FIRST_PARENT_UPDATE': {
      const tip = await advance(testCase);
      await checkout.git('checkout', '--quiet', '--detach', tip);
      if (kind === 'MERGE_FIRST_PARENT_UPDATE') {
        await checkout.git('merge', '--quiet', '--no-ff', '--message', message, side);
        break;
      }
      await checkout.git('cherry-pick', '--allow-empty', revision);
      if (kind !== 'TRIVIAL_REBASE')
        await checkout.git('commit', '--quiet', '--amend', '--message', reworded);
    }
  }
  await checkout.send();
}

/** Gerrit 3.9 has no separate kind for a rebase with a new message. */
function kindInEvent(kind: Kind): Kind {
  const unknown = kind === 'TRIVIAL_REBASE_WITH_MESSAGE_UPDATE' && testbed.gerrit.version === '3.9.1';
  return unknown ? 'REWORK' : kind;
}

async function kindOf(change: number): Promise<string> {
  const { current_revision: revision, revisions } = (await testbed.gerrit
    .as('admin')
    .get(`changes/${change}?o=CURRENT_REVISION`)) as {
    readonly current_revision: string;
    readonly revisions: Readonly<Record<string, { readonly kind: string }>>;
  };
  return revisions[revision]?.kind ?? '';
}
