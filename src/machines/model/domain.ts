/**
 * The shared types: a patchset, a job's specification, a server, a report. Plain data only: all of it is stored as
 * JSON in the event log.
 */

import type { FileRules } from '../trigger/rules/files.ts';
import type { Verdict } from './verdict.ts';

/**
 * What may start a job: a new patchset, a comment that requests it, a restored change, a vote, a change that is no
 * longer work in progress or private.
 */
export const TRIGGER_KINDS = ['patchset', 'recheck', 'restored', 'vote', 'ready'] as const;
export type TriggerKind = (typeof TRIGGER_KINDS)[number];

/** The states that run one command on the server, in their order. */
export const STAGES = ['stacking', 'testing'] as const;
export type Stage = (typeof STAGES)[number];

/** One patchset of one change, with Gerrit's names. Printed as `912345,3`. */
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

/** What one stage runs, and its limits. Its key (`argv`, `script` or `playbook`) determines the kind. */
export type StageSpec = CommandStage | ScriptStage | PlaybookStage;

interface StageLimits {
  readonly timeoutMs: number;
  /** Output beyond this limit is read and dropped, and the log notes it. */
  readonly outputLimitBytes: number;
  /** Paths in the work tree that are removed before it begins; absent: none. */
  readonly removes?: readonly string[];
  /** Sent to the server as files; absent: none. */
  readonly secrets?: readonly SecretSource[];
}

/** Where the daemon reads a secret of a job: exactly one of `file` and `env` is set. Never the secret itself. */
export interface SecretSource {
  /** The name of its file on the server. */
  readonly name: string;
  /** Absolute path on the daemon's host. */
  readonly file: string | null;
  /** Name of an environment variable of the daemon. */
  readonly env: string | null;
}

/** A program on the server or in the work tree. */
export interface CommandStage extends StageLimits {
  /** Program and arguments; never passed through a shell. */
  readonly argv: readonly string[];
}

/** An operator's program on the daemon's host, which is copied to the server. */
export interface ScriptStage extends StageLimits {
  readonly script: {
    /** Absolute path of the program on the daemon's host. */
    readonly program: string;
    /** Absolute path of a directory that contains the program and is copied with it; null: the program alone. */
    readonly directory: string | null;
    readonly arguments: readonly string[];
  };
}

/** An operator's playbook, which ansible-playbook runs on the daemon's host against the server. */
export interface PlaybookStage extends StageLimits {
  readonly playbook: {
    /** Absolute path on the daemon's host, or the full name of a playbook in a collection. */
    readonly file: string;
    /** Absolute path of the operator's inventory; null: none. */
    readonly inventory: string | null;
    /** Absolute paths of the operator's files with variables. A later one wins. */
    readonly variableFiles: readonly string[];
    /** Override the files. JSON values; no secrets. */
    readonly variables: Readonly<Record<string, unknown>>;
    readonly confine: Confinement;
  };
}

/** How the access of ansible-playbook to the daemon's host is restricted. */
export const CONFINEMENTS = ['none', 'bubblewrap'] as const;
export type Confinement = (typeof CONFINEMENTS)[number];

/** What a stage runs, in one line. */
export function stageText(spec: StageSpec): string {
  if ('argv' in spec) return spec.argv.join(' ');
  if ('playbook' in spec) return `playbook ${spec.playbook.file}`;
  return `script ${[spec.script.program, ...spec.script.arguments].join(' ')}`;
}

export const RESULTS_FORMATS = ['tap', 'subunit'] as const;
export type ResultsFormat = (typeof RESULTS_FORMATS)[number];

/** How the test stage leaves its results on the server. */
export interface ResultsSpec {
  readonly format: ResultsFormat;
  /** Path relative to the work tree. */
  readonly file: string;
  /** With fewer passed tests the results count as incomplete; absent: 1. */
  readonly expected?: number;
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
  /** How long a stage may be silent past its timeout before the daemon stops it. */
  readonly stageGraceMs: number;
  readonly stopTimeoutMs: number;
  readonly resultsTimeoutMs: number;
  readonly collectTimeoutMs: number;
  readonly publishTimeoutMs: number;
  readonly publishAttempts: number;
  readonly publishRetryMs: number;
  /** How long publishing is retried after the job has ended. */
  readonly publishAgeMs: number;
  readonly reportTimeoutMs: number;
  readonly cleanupTimeoutMs: number;
  readonly cleanupAttempts: number;
  readonly cleanupRetryMs: number;
  /** Maximum bytes and number of files of the evidence. */
  readonly evidenceLimitBytes: number;
  readonly evidenceLimitFiles: number;
}

/** The configuration of a job at its start, stored in `job.accepted`. Holds no secret. */
export interface JobSpec {
  /** The job's name, without spaces. */
  readonly name: string;
  readonly pipeline: string;
  /** False: the comment shows the job as non-voting, and it never affects the vote. */
  readonly voting: boolean;
  /** Name of the provider in the configuration that boots its server. */
  readonly provider: string;
  /** The back ends that it uses, one unit of each for as long as its slot; absent: none. */
  readonly backends?: readonly string[];
  /** Checked once Gerrit has sent the files of the patchset. */
  readonly files: FileRules;
  /** Null: nothing to stack. */
  readonly stacking: StageSpec | null;
  readonly testing: StageSpec;
  /** True: a non-zero exit of `testing` is FAILURE even without readable results. */
  readonly exitCodeIsResult: boolean;
  readonly results: ResultsSpec | null;
  /** Paths in the server's work tree (files or directories) that are collected as evidence. */
  readonly logs: readonly string[];
  /** Milliseconds that are added to its age in the slot queue. */
  readonly headStartMs: number;
  readonly limits: JobLimits;
}

/** A server that a provider created for us. */
export interface Server {
  /** The provider's id. */
  readonly id: string;
  readonly name: string;
  /** The address for the runner; for the local provider a directory. */
  readonly address: string;
  readonly provider: string;
}

/** What a provider creates for a server, and a job's files on this host. */
export type ResourceKind = 'server' | 'port' | 'floating-ip' | 'volume' | 'key-pair' | 'evidence';

export interface Resource {
  readonly kind: ResourceKind;
  /** The provider's id; the job's id for evidence. */
  readonly id: string;
}

/** What an ended job left behind, and what is removed together. */
export interface Leak {
  /** Null: the job's files on this host. */
  readonly server: Server | null;
  readonly resources: readonly Resource[];
}

/** How a person reaches a server. */
export interface Login {
  /** A shell command for this host. */
  readonly command: string;
  /** The server's directory, absolute; the work tree is in it. */
  readonly directory: string;
}

/** Metadata on everything that we create, so that it can be found again and identified as ours. */
export interface Ownership {
  readonly deployment: string;
  readonly job: string;
  readonly attempt: number;
}

/** A failed operation, as data. The same fields as OperationError. */
export interface Failure {
  readonly operation: string;
  readonly target: string;
  readonly message: string;
  readonly retryable: boolean;
  /** What the operator should do next, in one line. */
  readonly hint: string;
  /** The server could not be reached. */
  readonly unreachable?: true;
}

/** How a stage's command ended. Only `exited` is a result of the command itself. */
export type StageEnd =
  | {
      readonly how: 'exited';
      readonly code: number;
      /** Present only if the stage is a playbook that failed. */
      readonly failedTask?: FailedTask;
    }
  | { readonly how: 'killed'; readonly signal: number }
  | { readonly how: 'timedOut' }
  | { readonly how: 'stopped' };

/** The task that made a playbook fail. Untrusted text: bounded, and without secrets. */
export interface FailedTask {
  readonly task: string;
  /** Its name in the inventory. */
  readonly host: string;
  readonly message: string;
}

/** The contents of the test stage's results file. */
export interface ResultsSummary {
  readonly passed: number;
  readonly failed: number;
  readonly skipped: number;
  /** Names of the first few failed tests, each cut to a maximum length. */
  readonly failures: readonly string[];
}

/** A change that another one names in a `Depends-On:` line, and that is not merged yet. */
export interface Dependency {
  readonly project: string;
  readonly branch: string;
  readonly change: number;
  readonly patchset: number;
  readonly revision: string;
  readonly ref: string;
}

/** A current vote on the current patchset. */
export interface AccountVote {
  /** Username of the voter; '' if Gerrit sends none. */
  readonly account: string;
  readonly label: string;
  readonly value: number;
}

/** The change just before a review is posted on it. */
export interface ChangeState {
  readonly status: 'open' | 'merged' | 'abandoned';
  /** The current patchset. */
  readonly patchset: Patchset;
  /** Our account's vote on the current patchset with the configured label, including copied votes; 0 for none. */
  readonly vote: number;
  /** The kinds of the newest patchsets. */
  readonly kinds: readonly { readonly patchset: number; readonly kind: string }[];
}

/** The current state of the change in Gerrit. */
export interface ResolvedChange {
  readonly status: 'open' | 'merged' | 'abandoned' | 'missing';
  /** Number of the current patchset; 0 for a change that is missing. */
  readonly current: number;
  /** The target branch; absent: unknown. */
  readonly branch?: string;
  readonly wip: boolean;
  readonly private: boolean;
  /** Paths that the current patchset touches, without Gerrit's magic ones; null when there are too many to request. */
  readonly files: readonly string[] | null;
  readonly votes: readonly AccountVote[];
  /** Open changes that it depends on, each after its own dependencies. Merged ones are left out. */
  readonly dependencies: readonly Dependency[];
  /**
   * Why the dependencies cannot be met (a cycle, an abandoned or missing change, too many), for the comment; null when
   * they can.
   */
  readonly trouble: string | null;
}

/** The tested commit of one project: the tip of its branch with the patches merged onto it. */
export interface MergedTree {
  readonly project: string;
  readonly branch: string;
  /** The branch's tip, SHA-1. */
  readonly base: string;
  /** The tested commit, SHA-1. Equal to `base` when nothing was merged. */
  readonly revision: string;
}

/** Whether a job's evidence is readable: published, pending at a known URL, or none. */
export type EvidenceState = 'published' | 'pending' | 'none';

/** A job's files on this host: the output of its stages, the files collected for publishing, or both. */
export type EvidencePart = 'runs' | 'collected' | 'all';

/** Another job of the same review. */
export interface Sibling {
  readonly job: string;
  readonly name: string;
}

/** The report of one job to its review. */
export interface JobReport {
  readonly job: string;
  readonly name: string;
  readonly voting: boolean;
  readonly verdict: Verdict;
  /** Why, in one line; '' for a plain success. */
  readonly reason: string;
  /** The last line of output of the stage that gave the verdict; null when it is unknown or not useful. */
  readonly lastLine: string | null;
  readonly evidence: EvidenceState;
  /** The URL of the evidence, published or pending; null when there is none. */
  readonly url: string | null;
  /** Measured from the end of its wait for a slot, or from its acceptance if it got none. */
  readonly durationMs: number;
  readonly results: ResultsSummary | null;
}

/** A vote that is required before the jobs may run. */
export interface RequiredVote {
  /** Username of the required voter. */
  readonly account: string;
  readonly label: string;
  /** This value or better; a vote of the opposite sign is a veto and the jobs do not run. */
  readonly value: number;
  /** Without a vote the jobs run after this time. */
  readonly timeoutMs: number;
}

/**
 * How a patchset is prepared before its jobs may run; from the configuration at the time when the review was opened.
 */
export interface PreparePlan {
  /**
   * True: only for an open change and its current patchset, and neither work in progress nor private unless allowed
   * below.
   */
  readonly onlyCurrent: boolean;
  readonly wip: boolean;
  readonly private: boolean;
  /** False: tested as uploaded, without a merge with its branch. */
  readonly merge: boolean;
  readonly requiredVote: RequiredVote | null;
  /** Maximum number of dependencies of a change, in total. */
  readonly dependencyLimit: number;
  readonly lookUpTimeoutMs: number;
  readonly lookUpAttempts: number;
  /** Wait before the lookup is retried; doubles up to a maximum. */
  readonly lookUpRetryMs: number;
  readonly lookUpRetryMaxMs: number;
  readonly mergeTimeoutMs: number;
  readonly mergeAttempts: number;
  readonly mergeRetryMs: number;
}

/** The default case of a switch over a closed union: a compile error when a member is missing. */
export function assertNever(value: never): never {
  throw new Error(`unexpected value: ${JSON.stringify(value)}`);
}
