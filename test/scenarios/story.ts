/** A story: its options, its first event, and its expected end as the fakes show it. */
import type { Verdict } from '../../src/machines/model/verdict.ts';
import type { CiHarness, CiHarnessOptions } from './ci-harness.ts';

export interface Story {
  readonly name: string;
  readonly options?: CiHarnessOptions;
  readonly begin: (ci: CiHarness) => void;
  readonly end: End;
}

export interface End {
  /** Verdicts of the jobs, oldest first. */
  readonly verdicts: readonly Verdict[];
  /** The messages in Gerrit: change, outcome and labels. */
  readonly posts: readonly string[];
  /** Number of stages whose command began. */
  readonly stages: number;
  /** Number of servers that were created. */
  readonly servers: number;
  /** Number of servers that were opened for people. */
  readonly opened?: number;
  /** Kinds of alarms, each once. */
  readonly alarms?: readonly string[];
  /** Subjects of the mails, each once. */
  readonly mails?: readonly string[];
}

/** The actual end of a story. */
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
    opened: new Set(ci.provider.opened).size,
    alarms: [...new Set(ci.alarms.kinds)],
    mails: ci.mailer.subjects,
  };
}
