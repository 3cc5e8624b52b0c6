/**
 * The lines of a comment about its vote, where the job lines do not explain it: other runs that count too, a vote that
 * is kept or removed, and why there is no vote.
 */

import type { Verdict } from '../model/verdict.ts';
import { voteText } from '../trigger/rules/vote.ts';
import type { PatchsetKind, VoteDecision, VoteFacts, VoteRun } from '../verdicts/vote-rule.ts';
import { clipped } from './byte-length.ts';
import { harmless, harmlessLine, harmlessName, harmlessUrl } from './sanitize.ts';

export interface VoteExplanation {
  readonly label: string;
  /** The value that is sent; null: none. */
  readonly sent: number | null;
  readonly decision: VoteDecision;
  readonly facts: VoteFacts;
  /** Why a vote that the rule asks for is not sent; '' if it is. */
  readonly withheld: string;
  /** The tested patchset. */
  readonly tested: number;
  /** The names of the review's own jobs. */
  readonly own: readonly string[];
}

/** Maximum number of jobs and patchsets that one line names. */
const NAMED = 3;
const LINE_LIMIT = 600;

const KIND_TEXTS: Readonly<Record<string, string>> = {
  REWORK: 'a rework',
  TRIVIAL_REBASE: 'a trivial rebase',
  TRIVIAL_REBASE_WITH_MESSAGE_UPDATE: 'a trivial rebase with a new commit message',
  MERGE_FIRST_PARENT_UPDATE: 'a merge with a new first parent',
  NO_CODE_CHANGE: 'a change of the commit message only',
  NO_CHANGE: 'no change at all',
};

const VERDICT_TEXTS: Readonly<Partial<Record<Verdict, string>>> = {
  SUCCESS: 'succeeded',
  FAILURE: 'failed',
  TIMED_OUT: 'timed out',
};

export function voteLines(explanation: VoteExplanation): readonly string[] {
  return [carriedOverLine(explanation), voteLine(explanation), uncountedLine(explanation)]
    .filter((line) => line !== '')
    .map((line) => clipped(harmlessLine(line), LINE_LIMIT));
}

/** For example `Patchset 3 was tested; patchset 4 is a trivial rebase, so the vote counts for it.` */
function carriedOverLine({ tested, facts: { current, kinds }, sent }: VoteExplanation): string {
  if (current === tested) return '';
  const between = kinds
    .filter(({ patchset }) => patchset > tested && patchset <= current)
    .sort((a, b) => a.patchset - b.patchset);
  const what = sent === null ? 'the results count' : 'the vote counts';
  const whom = between.length === 1 ? 'it' : `patchset ${current}`;
  return `Patchset ${tested} was tested; ${kindsText(between)}, so ${what} for ${whom}.`;
}

function kindsText(between: readonly PatchsetKind[]): string {
  const texts = between
    .slice(0, NAMED)
    .map(({ patchset, kind }) => `patchset ${patchset} is ${KIND_TEXTS[kind] ?? harmless(kind)}`);
  return listed(texts, between.length - texts.length, ', ');
}

function voteLine(explanation: VoteExplanation): string {
  const { label, sent, withheld, decision, facts } = explanation;
  const currentVote = facts.currentVote ?? 0;
  const why = reason(explanation);
  if (sent === 0) return `${voteText({ label, value: currentVote })} is taken back: ${why.text}.`;
  if (sent !== null) {
    const others = decisiveRuns(explanation).filter(({ review }) => review !== facts.review);
    return others.length === 0 ? '' : `${voteText({ label, value: sent })} also counts: ${runsText(others)}.`;
  }
  const head = currentVote === 0 ? 'No vote' : `${voteText({ label, value: currentVote })} stays`;
  if (withheld !== '' && decision.value !== null) return `${head}: ${harmless(withheld)}.`;
  if (decision.reason === 'no-job' || (currentVote === 0 && why.obvious)) return '';
  return `${head}: ${why.text}.`;
}

interface Reason {
  readonly text: string;
  /** The job lines already explain it. */
  readonly obvious: boolean;
}

function reason(explanation: VoteExplanation): Reason {
  const { decision, facts, own } = explanation;
  switch (decision.reason) {
    case 'failure':
    case 'timed-out': {
      const runs = decisiveRuns(explanation);
      const unreadable = runs.every(({ review, readable }) => review === facts.review && !readable);
      const more = unreadable ? ', and its logs cannot be read' : '';
      const obvious = runs.every(({ review }) => review === facts.review) && decision.statement === 0;
      return { text: `${runsText(runs)}${more}`, obvious };
    }
    case 'success':
      return facts.currentVote === null
        ? { text: 'the vote that is on the change could not be read', obvious: false }
        : { text: 'success gives no vote here', obvious: true };
    case 'no-verdict': {
      const missing = decision.counted.filter(({ verdict }) => verdict?.verdict !== 'SUCCESS');
      const texts = missing
        .slice(0, NAMED)
        .map(({ name, verdict }) =>
          verdict === null ? `${harmlessName(name)} has no result yet` : runText(verdict),
        );
      return {
        text: listed(texts, missing.length - texts.length, '; '),
        obvious: missing.every(({ name }) => own.includes(name)),
      };
    }
    case 'dependencies':
      return {
        text: 'its jobs were tested with different revisions of the dependencies',
        obvious: false,
      };
    case 'incomplete':
      return { text: 'the results of earlier patchsets are not kept any more', obvious: false };
    case 'no-job':
      return { text: 'no job that votes applies', obvious: true };
  }
}

/** The runs that decide the vote. */
function decisiveRuns({ decision }: VoteExplanation): readonly VoteRun[] {
  const wanted: Readonly<Record<string, Verdict>> = {
    failure: 'FAILURE',
    'timed-out': 'TIMED_OUT',
    success: 'SUCCESS',
  };
  const verdict = wanted[decision.reason];
  return decision.counted.flatMap(({ result }) =>
    result !== null && result.verdict === verdict ? [result] : [],
  );
}

/** Jobs whose runs would count if they were still configured and voting. */
function uncountedLine({ facts, tested, own }: VoteExplanation): string {
  const voting = new Set(facts.jobs.filter((job) => job.voting).map(({ name }) => name));
  const names = facts.runs
    .filter((run) => run.voting && !voting.has(run.name))
    .filter(({ patchset, name }) => patchset === facts.current || (patchset === tested && own.includes(name)))
    .map(({ name }) => name);
  const gone = [...new Set(names)];
  if (gone.length === 0) return '';
  const texts = gone.slice(0, NAMED).map((name) => {
    const why = facts.jobs.some((job) => job.name === name)
      ? 'does not vote any more'
      : 'is not in the configuration any more';
    return `${harmlessName(name)} ${why}`;
  });
  return `Not counted: ${listed(texts, gone.length - texts.length, '; ')}.`;
}

function runsText(runs: readonly VoteRun[]): string {
  const texts = runs.slice(0, NAMED).map(runText);
  return listed(texts, runs.length - texts.length, '; ');
}

/** For example `acme-iscsi failed, LINK`. */
function runText({ name, verdict, url }: VoteRun): string {
  const what = VERDICT_TEXTS[verdict ?? 'ABORTED'] ?? `ended as ${verdict}`;
  return `${harmlessName(name)} ${what}${url === null ? '' : `, ${harmlessUrl(url)}`}`;
}

function listed(texts: readonly string[], more: number, separator: string): string {
  return more > 0 ? `${texts.join(separator)} and ${more} more` : texts.join(separator);
}
