/**
 * Every machine version that an open history may use, and the version for new histories. To change a machine after a
 * release, add its next version here: open histories keep the version that they began on.
 */
import { holdMachine } from './hold/hold.ts';
import { holdSelectors } from './hold/selectors.ts';
import { janitorMachine } from './janitor/janitor.ts';
import { janitorSelectors } from './janitor/selectors.ts';
import { jobMachine } from './job/job.ts';
import { publicationMachine, publicationSelectors } from './job/publication.ts';
import { jobVersion } from './job/selectors.ts';
import type { HistorySnapshot, MachineFamily, MachineName } from './protocol/row.ts';
import { defineVersion, hasTag, type MachineVersion } from './protocol/version.ts';
import { reviewMachine } from './review/review.ts';
import { reviewVersion } from './review/selectors.ts';
import { archiveMachine } from './system/archive.ts';
import { streamMachine } from './system/stream.ts';
import { streamSelectors } from './system/stream-setup.ts';
import { votingMachine, votingSelectors } from './system/voting.ts';
import { verdictsMachine, verdictsSelectors } from './verdicts/verdicts.ts';

export const versions: Readonly<Record<MachineName, MachineVersion>> = {
  'job@1': jobVersion(jobMachine),
  'review@1': reviewVersion(reviewMachine),
  'publication@1': defineVersion(publicationMachine, publicationSelectors),
  'hold@1': defineVersion(holdMachine, holdSelectors),
  'janitor@1': defineVersion(janitorMachine, janitorSelectors),
  'stream@1': defineVersion(streamMachine, streamSelectors),
  'voting@1': defineVersion(votingMachine, votingSelectors),
  'verdicts@1': defineVersion(verdictsMachine, verdictsSelectors),
  'archive@1': defineVersion(archiveMachine),
};

/** The version that a new history begins on. */
export const newest: Readonly<Record<MachineFamily, MachineName>> = {
  job: 'job@1',
  review: 'review@1',
  publication: 'publication@1',
  hold: 'hold@1',
  janitor: 'janitor@1',
  stream: 'stream@1',
  voting: 'voting@1',
  verdicts: 'verdicts@1',
  archive: 'archive@1',
};

/** The name comes from the log, which a newer program may have written. */
export function isKnownMachine(name: string): name is MachineName {
  return Object.hasOwn(versions, name);
}

/** The machine that people name `job` (its newest version) or `job@1`; null: there is none. */
export function findMachine(typed: string): MachineName | null {
  if (Object.hasOwn(newest, typed)) return newest[typed as MachineFamily];
  return isKnownMachine(typed) ? typed : null;
}

/** The versions of the same machine, oldest first. The name comes from the log. */
export function versionsOf(name: string): readonly MachineName[] {
  const family = name.split('@')[0];
  return Object.keys(versions)
    .filter(isKnownMachine)
    .filter((known) => known.split('@')[0] === family)
    .sort((one, other) => Number(one.split('@')[1]) - Number(other.split('@')[1]));
}

export function versionOf({ machine }: Pick<HistorySnapshot, 'machine'>): MachineVersion {
  const version = versions[machine];
  if (version === undefined) throw new Error(`there is no machine ${machine}`);
  return version;
}

/** True if the row or history is in a final state. False for an unknown machine. */
export function isEnded({ machine, state }: Pick<HistorySnapshot, 'machine' | 'state'>): boolean {
  return isKnownMachine(machine) && hasTag(versionOf({ machine }).machine, state, 'ended');
}
