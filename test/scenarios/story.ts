/** What a story is: how it is told, and what it must come to, in terms that the world can see. */
import type { Verdict } from '../../src/machines/model/verdict.ts';
import type { CiHarness, CiHarnessOptions } from './ci-harness.ts';

export interface Story {
  readonly name: string;
  readonly options?: CiHarnessOptions;
  readonly begin: (ci: CiHarness) => void;
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
export function endOf(ci: CiHarness): Required<End> {
  return {
    verdicts: ci.jobs().flatMap(({ verdict }) => verdict ?? []),
    posts: ci.reviewer.posted.map(({ change, patchset: number, message, labels }) => {
      const word = /^(?:Build )?(\w+)/.exec(message)?.[1];
      const votes = Object.entries(labels).map(
        ([label, value]) => ` ${label}${value > 0 ? '+' : ''}${value}`,
      );
      return `${change},${number} ${word}${votes.join('')}`;
    }),
    stages: ci.runner.started,
    servers: ci.provider.created,
    alarms: [...new Set(ci.alarms.kinds)],
    mails: ci.mailer.subjects,
  };
}
