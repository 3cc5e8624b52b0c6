/**
 * The stories of whole jobs: what Gerrit says, how the world behaves, and what must have come of it in the end. Each is
 * told once as it is, and again with a daemon that dies at every point of it.
 */
import type { GerritEvent } from '../../src/machines/gerrit-event.ts';
import type { Patchset, Verdict } from '../../src/machines/vocabulary.ts';
import { PATCHSET } from '../machines/facts.ts';
import type { Lab, LabOptions } from './lab.ts';

export interface Story {
  readonly name: string;
  readonly options?: LabOptions;
  readonly tell: (lab: Lab) => void;
  readonly end: {
    /** Of the jobs, oldest first. */
    readonly verdicts: readonly Verdict[];
    /** What Gerrit shows: the first line of each message, and its labels. */
    readonly posts: readonly string[];
    /** Stages whose command really began. */
    readonly stages: number;
    readonly servers: number;
    readonly alarms?: readonly string[];
  };
}

export function patchset(change = 912345, number = 1): Patchset {
  const ref = `refs/changes/${String(change).slice(-2)}/${change}/${number}`;
  return { ...PATCHSET, change, patchset: number, ref };
}

export function created(change = 912345, number = 1): GerritEvent {
  const by = { username: 'alice', name: 'Alice', email: 'alice@example.org' };
  const facts = { at: 1_767_323_000_000, patchset: patchset(change, number), wip: false, private: false, by };
  return { type: 'patchset-created', kind: 'REWORK', ...facts };
}

export const STORIES: readonly Story[] = [
  {
    name: 'a job succeeds',
    tell: (lab) => lab.say(created()),
    end: { verdicts: ['SUCCESS'], posts: ['912345,1 succeeded Verified+1'], stages: 2, servers: 1 },
  },
];

/** What a lab has come to, in the shape of a story's end. */
export function endOf(lab: Lab): Story['end'] {
  return {
    verdicts: lab.jobs().flatMap(({ verdict }) => verdict ?? []),
    posts: lab.reviewer.posted.map(({ change, patchset: number, message, labels }) => {
      const word = /^Build (\w+)/.exec(message)?.[1];
      const votes = Object.entries(labels).map(
        ([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`,
      );
      return `${change},${number} ${word}${votes.join('')}`;
    }),
    stages: lab.runner.started,
    servers: lab.provider.created,
    alarms: lab.alarms.kinds,
  };
}
