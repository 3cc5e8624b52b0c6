/** What a story is: how it is told, and what it must come to, in terms that the world can see. */
import type { Verdict } from '../../src/machines/model/verdict.ts';
import type { Lab, LabOptions } from './lab.ts';

export interface Story {
  readonly name: string;
  readonly options?: LabOptions;
  readonly begin: (lab: Lab) => void;
  readonly end: End;
}

export interface End {
  /** Of the jobs, oldest first. */
  readonly verdicts: readonly Verdict[];
  /** What Gerrit shows: the first line of each message, and its labels. */
  readonly posts: readonly string[];
  /** Stages whose command really began. */
  readonly stages: number;
  /** Servers that were made. */
  readonly servers: number;
  /** Kinds that were raised, each once. */
  readonly alarms?: readonly string[];
  /** Subjects of the mails that came, each once however often it did. */
  readonly mails?: readonly string[];
}

/** What a lab has come to, in the shape of a story's end. */
export function endOf(lab: Lab): Required<End> {
  return {
    verdicts: lab.jobs().flatMap(({ verdict }) => verdict ?? []),
    posts: lab.reviewer.posted.map(({ change, patchset: number, message, labels }) => {
      const word = /^(?:Build )?(\w+)/.exec(message)?.[1];
      const votes = Object.entries(labels).map(
        ([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`,
      );
      return `${change},${number} ${word}${votes.join('')}`;
    }),
    stages: lab.runner.started,
    servers: lab.provider.created,
    alarms: [...new Set(lab.alarms.kinds)],
    mails: lab.mailer.subjects,
  };
}
