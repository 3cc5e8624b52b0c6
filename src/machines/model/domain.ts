/**
 * The words that every room shares: what a patchset, a job's specification, a server and a verdict are.
 * Plain data only: all of it is stored as JSON in the event log.
 */

import type { FileRules } from '../trigger/rules/files.ts';
import type { Verdict } from './verdict.ts';

/**
 * What may start a job: a new patchset, a comment that asks for it, a change that was restored, a vote, a change that is no longer
 * work in progress or private.
 */
export const TRIGGER_KINDS = ['patchset', 'recheck', 'restored', 'vote', 'ready'] as const;
export type TriggerKind = (typeof TRIGGER_KINDS)[number];

/** A state whose work is one command on the server. */
export type Stage = 'stacking' | 'testing';

/** One patchset of one change, as Gerrit names it. Printed `912345,3`. */
export interface Patchset {
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  /** The commit's SHA-1, 40 hex digits. */
  readonly revision: string;
  /** refs/changes/45/912345/3 */
  readonly ref: string;
  readonly subject: string;
  /** Username, name or e-mail of the change's owner; '' where Gerrit sent none. */
  readonly owner: string;
  /** The change's page; '' where Gerrit sent none. */
  readonly url: string;
  readonly topic: string;
}

/** The command of one stage and its limits. */
export interface StageSpec {
  /** Program and arguments; never passed through a shell. */
  readonly argv: readonly string[];
  readonly timeoutMs: number;
  /** Output past this is read and dropped, and the log says so. */
  readonly outputLimitBytes: number;
}

/** How the test stage leaves its results on the server. */
export interface ResultsSpec {
  readonly format: 'tap';
  /** Path relative to the work tree. */
  readonly file: string;
}

/** Every wait, retry and size of a job. Times are milliseconds. */
export interface JobLimits {
  /** Attempts at setup: boot, fetch and stack together. Tests are never repeated. */
  readonly setupAttempts: number;
  /** Wait before setup is tried again; doubled for each further attempt. */
  readonly setupRetryMs: number;
  readonly queueTimeoutMs: number;
  readonly bootTimeoutMs: number;
  readonly fetchTimeoutMs: number;
  /** How long past its own deadline a stage may be silent before the daemon stops it itself. */
  readonly stageGraceMs: number;
  readonly stopTimeoutMs: number;
  readonly resultsTimeoutMs: number;
  readonly collectTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly publishAttempts: number;
  readonly publishRetryMs: number;
  /** For how long publishing is tried after the job has ended. */
  readonly publishAgeMs: number;
  readonly reportTimeoutMs: number;
  readonly cleanupTimeoutMs: number;
  readonly cleanupAttempts: number;
  readonly cleanupRetryMs: number;
  /** Evidence: bytes and number of files that are collected. */
  readonly evidenceLimitBytes: number;
  readonly evidenceLimitFiles: number;
}

/** The configuration that a job started with, stored in `job.accepted`. Holds no secret. */
export interface JobSpec {
  /** The job's name: no space in it. */
  readonly name: string;
  readonly pipeline: string;
  /** False: shown in the comment as non-voting, and never decides the vote. */
  readonly voting: boolean;
  /** The provider that boots its server, by its name in the configuration. */
  readonly provider: string;
  /** Looked at when Gerrit has told which files the patchset touches. */
  readonly files: FileRules;
  /** Null: nothing to stack. */
  readonly stacking: StageSpec | null;
  readonly testing: StageSpec;
  /** True: a non-zero exit of `testing` is FAILURE even without readable results. */
  readonly exitCodeIsResult: boolean;
  readonly results: ResultsSpec | null;
  /** Paths in the server's work tree (files or folders) that belong to the evidence. */
  readonly logs: readonly string[];
  /** Milliseconds by which its wait for a slot counts as longer than it is. */
  readonly headStartMs: number;
  readonly limits: JobLimits;
}

/** A server that a provider made for us. */
export interface Server {
  /** The provider's own id. */
  readonly id: string;
  readonly name: string;
  /** Where a runner reaches it: for the local provider its directory. */
  readonly address: string;
  readonly provider: string;
}

/** What is written on everything that we create, so that it can be found again and proven ours. */
export interface Ownership {
  readonly deployment: string;
  readonly job: string;
  readonly attempt: number;
}

/** An operation that did not work, as data. The same fields as OperationError. */
export interface Failure {
  readonly operation: string;
  readonly target: string;
  readonly message: string;
  readonly retryable: boolean;
  /** What the operator should do next, in one line. */
  readonly hint: string;
}

/** How a stage's command ended. Only `exited` speaks of the command's own work. */
export type StageEnd =
  | { readonly how: 'exited'; readonly code: number }
  | { readonly how: 'killed'; readonly signal: number }
  | { readonly how: 'timedOut' }
  | { readonly how: 'stopped' };

/** What the results file of the test stage said. */
export interface ResultsSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Names of failed tests, the first few, each cut to a bounded length. */
  readonly failures: readonly string[];
}

/** A change that another one names in a `Depends-On:` line, as far as it has not been merged yet. */
export interface Dependency {
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  readonly revision: string;
  readonly ref: string;
}

/** A vote that stands on the current patchset. */
export interface StandingVote {
  /** Username of who voted; '' where Gerrit names none. */
  readonly account: string;
  readonly label: string;
  readonly value: number;
}

/** The change just before a review of it is posted. */
export interface ChangeState {
  readonly status: 'open' | 'merged' | 'abandoned';
  /** The current patchset. */
  readonly patchset: Patchset;
  /** Our account's vote on the current patchset with the label that is voted, copied ones too; 0 for none. */
  readonly vote: number;
  /** The kinds of the newest patchsets. */
  readonly kinds: readonly { readonly patchset: number; readonly kind: string }[];
}

/** What Gerrit says of a change now. */
export interface ResolvedChange {
  readonly status: 'open' | 'merged' | 'abandoned' | 'missing';
  /** Number of the current patchset; 0 for a change that is missing. */
  readonly current: number;
  /** Where it is to be merged; absent: not told. */
  readonly branch?: string;
  readonly wip: boolean;
  readonly private: boolean;
  /** Paths that the current patchset touches, without Gerrit's magic ones; null when there are too many to ask for. */
  readonly files: readonly string[] | null;
  readonly votes: readonly StandingVote[];
  /** Open changes that it needs, each after what it needs itself. Merged ones need no care. */
  readonly dependencies: readonly Dependency[];
  /** Why the dependencies cannot be met (a cycle, one that is abandoned or missing, too many), told in the comment; null when they can. */
  readonly trouble: string | null;
}

/** One project's commit that is tested: the tip of its branch with the patches merged onto it. */
export interface MergedTree {
  readonly project: string;
  readonly branch: string;
  /** The branch's tip, SHA-1. */
  readonly base: string;
  /** The commit that is tested, SHA-1. It is `base` itself when nothing had to be merged. */
  readonly revision: string;
}

/** What the outside can read of a job's evidence: all of it, all of it later at an address that is known, nothing. */
export type EvidenceState = 'published' | 'pending' | 'none';

/** What lies on this host for a job: what its stages printed, what was collected to be published, or both. */
export type EvidencePart = 'runs' | 'collected' | 'all';

/** Another job of the same review. */
export interface Sibling {
  readonly job: string;
  readonly name: string;
}

/** What one job hands to its review. */
export interface JobReport {
  readonly job: string;
  readonly name: string;
  readonly voting: boolean;
  readonly verdict: Verdict;
  /** Why, in one line; '' for a plain success. */
  readonly reason: string;
  /** The last thing that the stage printed which gave the verdict; null when that is not known, or says nothing. */
  readonly lastLine: string | null;
  readonly evidence: EvidenceState;
  /** Where the evidence can be read, or will be while it is pending; null when there is none. */
  readonly url: string | null;
  /** From the end of its wait for a server, or where it had none from its acceptance. */
  readonly durationMs: number;
  readonly results: ResultsSummary | null;
}

/** A vote that has to be there before the jobs may run. */
export interface HoldSpec {
  /** Username of who has to vote. */
  readonly account: string;
  readonly label: string;
  /** This or better; a vote of the other sign means that nobody waits for our result. */
  readonly value: number;
  /** Without a vote the jobs run after this. */
  readonly timeoutMs: number;
}

/** What is done for a patchset before its jobs may run; from the configuration at the time when the review was opened. */
export interface PreparePlan {
  /** True: only for an open change, its current patchset, and neither work in progress nor private unless allowed below. */
  readonly onlyCurrent: boolean;
  readonly wip: boolean;
  readonly private: boolean;
  /** False: tested as it was uploaded, not merged with its branch. */
  readonly merge: boolean;
  readonly hold: HoldSpec | null;
  /** Changes that one change may depend on, all in all. */
  readonly dependencyLimit: number;
  readonly lookUpTimeoutMs: number;
  readonly lookUpAttempts: number;
  /** Wait before Gerrit is asked again; doubles up to the longest. */
  readonly lookUpRetryMs: number;
  readonly lookUpRetryMaxMs: number;
  readonly mergeTimeoutMs: number;
  readonly mergeAttempts: number;
  readonly mergeRetryMs: number;
}

/** A switch over a closed union ends here: a compile error when a member was forgotten. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
