/**
 * Votes on patchsets that jobs exclude by their kind, read from Gerrit's REST API; reviews over SSH and REST.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { TestCase } from './case.ts';
import type { Checkout } from './checkout.ts';
import { sharedGerrit } from './shared-gerrit.ts';
import { Testbed } from './testbed.ts';
import { enqueue, FIRST, SECOND, twoJobs } from './two-jobs.ts';

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
beforeAll(async () => {
  testbed = await Testbed.on(sharedGerrit());
});
afterAll(() => testbed?.stop());

describe.each(['SSH', 'REST'])('over %s', (transport) => {
  test('a verdict applies to a newer patchset of each kind that the jobs exclude', async () => {
    const location = join(testbed.directory, `kinds-${transport}-`);
    const script = `at='${location}'"$SOS_CI_CHANGE-$SOS_CI_PATCHSET"
until [ -e "$at" ]; do sleep 0.2; done
if [ -e "$at-fails" ] && [ "$SOS_CI_JOB_NAME" = ${SECOND} ]; then fail; fi
pass
`;
    const testCase = await twoJobs(testbed, transport, script, { kinds: { exclude: [...KINDS] } });
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
