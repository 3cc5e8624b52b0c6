/** `jobs`: which changes a job runs for, what it runs, and its limits. */
import { z } from 'zod';
import { type JobLimits, type ResultsSpec, TRIGGER_KINDS } from '../../machines/model/domain.ts';
import { overlap } from '../../machines/trigger/rules/glob.ts';
import type { JobRules } from '../../machines/trigger/rules/job-matcher.ts';
import { PATCHSET_KINDS } from '../../machines/trigger/rules/patchset-kind.ts';
import type { JobDefinition } from '../config.ts';
import {
  describe,
  duration,
  flag,
  integer,
  integers,
  optionalInteger,
  optionalText,
  size,
  text,
  textOrTexts,
  texts,
} from '../fields/fields.ts';
import { resultsFile } from '../fields/results-file.ts';
import {
  branchPattern,
  entryName,
  filePattern,
  labelName,
  namePattern,
  patchsetKind,
  projectPattern,
  regularExpression,
  requiredVote,
  treePath,
  triggerKind,
} from '../fields/validators.ts';
import { nearest } from '../file/config-error.ts';
import { at, isMapping, type ReportProblem } from '../file/yaml-document.ts';
import { buildJobSecrets, checkJobSecrets, secretKeys } from './job-secrets.ts';
import { presetKeys } from './preset.ts';
import { buildStage, checkStages, stageKeys } from './stages.ts';
import { buildRequiredVote, VOTE_KIND } from './triggers.ts';

const stacking = z.strictObject(stageKeys);
const testing = z.strictObject({
  ...stageKeys,
  results: resultsFile({
    about: 'the results file that the tests write; it decides SUCCESS or FAILURE. A path alone is a TAP file',
  }),
  exitCodeIsResult: flag({
    default: false,
    about: 'true: an exit code other than 0, 126 and 127 is FAILURE even without readable results',
  }),
});

const vote = z.strictObject({
  label: text({ check: labelName, about: 'a vote on this label starts it' }),
  value: optionalInteger({ min: -10, max: 10, about: 'the value; either this or min' }),
  min: optionalInteger({ min: -10, max: 10, about: 'this value or more' }),
  by: textOrTexts({
    kind: 'pattern, or list of them',
    check: namePattern,
    about: "who votes: user name, display name or e-mail; '*' is anyone",
  }),
  from: integers({ min: -10, max: 10, about: 'the previous vote, one of these; empty: any' }),
});

const limits = z.strictObject({
  setupAttempts: integer({
    default: 2,
    min: 1,
    max: 100,
    about: 'attempts at setup (boot, fetch, stacking). Tests are never repeated',
  }),
  setupRetryDelay: duration({ default: '30s', about: 'before setup is tried again; doubles' }),
  bootTimeout: duration({
    default: '15m',
    about: 'for creating the server and waiting until it is ready, cloud-init included',
  }),
  maxEvidenceSize: size({ default: '1GB', about: 'logs and other evidence collected for each run' }),
});

/** After a day in the queue a job would test a patchset that is probably outdated. The wait for a vote is added. */
const QUEUE_TIMEOUT_MS = 24 * 3_600_000;
/** Constants that need no configuration. */
const LIMITS = {
  /** For the largest projects, over a slow line to the node. */
  fetchTimeoutMs: 600_000,
  /** After a stage's own deadline: the runner on the node must have reported by then. */
  stageGraceMs: 30_000,
  /** Longer than the waits after SIGTERM and SIGKILL together. */
  stopTimeoutMs: 30_000,
  /** For results of 256 MB over a slow line to the node. */
  resultsTimeoutMs: 300_000,
  collectTimeoutMs: 600_000,
  publishTimeoutMs: 600_000,
  publishAttempts: 5,
  /** Doubles, up to 15 minutes. */
  publishRetryMs: 10_000,
  /** A full disk is noticed and fixed within a long weekend. */
  publishAgeMs: 3 * 24 * 3_600_000,
  reportTimeoutMs: 3_600_000,
  cleanupTimeoutMs: 300_000,
  /** After these attempts an alarm is raised; the sweep continues. */
  cleanupAttempts: 10,
  cleanupRetryMs: 10_000,
  evidenceLimitFiles: 20_000,
} as const;

export const job = z.strictObject({
  project: textOrTexts({
    kind: 'pattern, or list of them',
    check: projectPattern,
    about: "the project's full name in Gerrit; * is any text, also /",
  }),
  branches: texts({
    kind: 'list of patterns',
    default: ['*'],
    check: branchPattern,
    about: 'one must match the whole branch; * is any text, also /',
  }),
  files: filter('list of regular expressions', filePattern, {
    include:
      'regular expressions, matched anywhere in a path; the job runs when a file matches one; empty: any file',
    exclude:
      'files that do not count; when none is left the job is SKIPPED. The word docs means documentation',
  }),
  provider: optionalText({ about: "the job's provider; optional if there is only one" }),
  concurrency: optionalInteger({
    min: 1,
    max: 1000,
    about: 'maximum number of concurrent runs of this job; without it only slots limit them',
  }),
  backends: texts({
    kind: 'list of back ends',
    check: entryName,
    about: 'the back ends that it uses, of those under backends; it waits until each has a free unit',
  }),
  ...presetKeys,
  voting: flag({
    default: true,
    about: 'false: marked as non-voting in the comment, never decides the vote',
  }),
  stacking: stacking.optional(),
  testing,
  logs: texts({
    kind: 'list of paths in the work tree',
    check: treePath,
    about:
      'files and directories that belong to the evidence; the output of the stages and the results file always do',
  }),
  ...secretKeys,
  triggers: texts({
    kind: `list of ${TRIGGER_KINDS.join(', ')}`,
    default: TRIGGER_KINDS,
    of: TRIGGER_KINDS,
    check: triggerKind,
    about:
      'what starts it: a new patchset, a comment that requests it, a change that was restored, a vote listed under votes, a change that is no longer work in progress or private',
  }),
  comments: texts({
    kind: 'list of regular expressions',
    check: regularExpression,
    about:
      "comments that start it, besides recheck and run-NAME; matched anywhere in the text below Gerrit's header",
  }),
  votes: z.array(vote).max(100).prefault([]),
  requireVote: optionalText({
    kind: `${VOTE_KIND}, or none`,
    check: (value) => (value === 'none' ? null : requiredVote(value)),
    about: 'instead of triggers.requireVote; none: it waits for no vote',
  }),
  topics: patterns("one must match the change's topic; empty: any or none"),
  hashtags: patterns("one must match one of the change's hashtags; empty: any or none"),
  kinds: filter(
    "list of Gerrit's kinds",
    patchsetKind,
    {
      include: 'kinds of new patchset that start it; empty: all',
      exclude:
        "kinds of new patchset that do not start it; the previous patchset's test continues, or starts again on the new one if another job starts there",
    },
    PATCHSET_KINDS,
  ),
  uploaders: people('who uploads the patchset'),
  authors: people("the commit's author"),
  commenters: people('who requests it in a comment'),
  limits: limits.prefault({}),
});

function patterns(about: string) {
  return texts({ kind: 'list of patterns', check: namePattern, about });
}

function people(who: string) {
  return filter('list of patterns', namePattern, {
    include: `${who}: only these; empty: everyone`,
    exclude: `${who}: never these`,
  });
}

function filter(
  kind: string,
  check: Parameters<typeof texts>[0]['check'],
  about: { readonly include: string; readonly exclude: string },
  of?: readonly string[],
) {
  const list = (text: string) => texts({ kind, check, about: text, ...(of === undefined ? {} : { of }) });
  return z.strictObject({ include: list(about.include), exclude: list(about.exclude) }).prefault({});
}

type JobFile = z.output<typeof job>;
type Triggers = { readonly requireVote: string | null; readonly requireVoteTimeout: number };

/** @param common the values that all jobs share */
export function buildJob(
  name: string,
  file: JobFile,
  common: { readonly pipeline: string; readonly provider: string; readonly triggers: Triggers },
  path: (path: string) => string,
): JobDefinition {
  const { results, exitCodeIsResult } = file.testing;
  const secrets = buildJobSecrets(file.secrets, path);
  return {
    exposesSecretsTo: file.exposesSecretsTo,
    concurrency: file.concurrency,
    rules: buildRules(name, file, common.triggers),
    spec: {
      name,
      pipeline: common.pipeline,
      voting: file.voting,
      provider: file.provider ?? common.provider,
      ...(file.backends.length === 0 ? {} : { backends: file.backends }),
      files: file.files,
      stacking: file.stacking === undefined ? null : buildStage(file.stacking, secrets, path),
      testing: {
        ...buildStage(file.testing, secrets, path),
        ...(results === null ? {} : { removes: staleResults(results) }),
      },
      exitCodeIsResult,
      results,
      logs: file.logs,
      headStartMs: 0,
      limits: buildLimits(file.limits, common.triggers),
    },
  };
}

/** Files that a node image or an earlier stage may have left, and that would be mistaken for results of the tests. */
function staleResults({ format, file }: ResultsSpec): readonly string[] {
  return format === 'subunit' ? [file, '.stestr'] : [file];
}

function buildRules(name: string, file: JobFile, triggers: Triggers): JobRules {
  return {
    name,
    projects: file.project,
    branches: file.branches,
    triggers: TRIGGER_KINDS.filter((kind) => file.triggers.includes(kind)),
    topics: file.topics,
    hashtags: file.hashtags,
    kinds: file.kinds,
    uploaders: file.uploaders,
    authors: file.authors,
    commenters: file.commenters,
    comments: file.comments,
    votes: file.votes,
    requiredVote: buildRequiredVote(file.requireVote ?? triggers.requireVote, triggers.requireVoteTimeout),
  };
}

function buildLimits(file: JobFile['limits'], { requireVoteTimeout }: Triggers): JobLimits {
  return {
    ...LIMITS,
    queueTimeoutMs: QUEUE_TIMEOUT_MS + requireVoteTimeout,
    setupAttempts: file.setupAttempts,
    setupRetryMs: file.setupRetryDelay,
    bootTimeoutMs: file.bootTimeout,
    evidenceLimitBytes: file.maxEvidenceSize,
  };
}

/** @param providers names of the providers */
export function checkJobs(root: unknown, providers: readonly string[], add: ReportProblem): void {
  const jobs = at(root, ['jobs']);
  if (!isMapping(jobs)) return;
  const names = Object.keys(jobs);
  if (names.length === 0) add(['jobs'], 'names no job', 'add one: docs/configuration.md shows how');
  for (const name of names) {
    const wrong = entryName(name);
    if (wrong !== null) add(['jobs', name], `the name ${wrong.what}`, wrong.next, 'key');
    checkProvider(root, name, providers, add);
    checkStages(root, name, providers, add);
    checkJobSecrets(root, name, providers, add);
    checkResults(root, name, add);
    checkTriggers(root, name, add);
    checkVotes(root, name, add);
  }
  checkRequiredVotes(root, names, add);
}

function checkProvider(root: unknown, name: string, providers: readonly string[], add: ReportProblem): void {
  const path = ['jobs', name, 'provider'];
  const provider = at(root, path);
  if (typeof provider === 'string' && !providers.includes(provider)) {
    const near = nearest(provider, providers);
    const next = near === null ? `known: ${providers.join(', ')}` : `did you mean "${near}"?`;
    add(path, `there is no provider ${describe(provider)}`, next);
  }
  if (provider === undefined && providers.length > 1 && isMapping(at(root, ['jobs', name])))
    add(path, 'is missing, and there is more than one', `choose one of ${providers.join(', ')}`);
}

function checkResults(root: unknown, name: string, add: ReportProblem): void {
  const path = ['jobs', name, 'testing'];
  const file = at(root, path);
  if (!isMapping(file) || file.exitCodeIsResult === true) return;
  if (file.results !== undefined && file.results !== null) return;
  const next =
    'add results: FILE (the TAP file that the tests write; for subunit, results: {format: subunit, file: FILE}), or exitCodeIsResult: true if any exit code but 0 means that a test failed';
  add(path, 'nothing defines a failed test, so this job could never be FAILURE', next);
}

/** An explicit list of triggers must include those that other keys refer to. */
function checkTriggers(root: unknown, name: string, add: ReportProblem): void {
  const path = ['jobs', name, 'triggers'];
  const list = at(root, path);
  if (!Array.isArray(list)) return;
  const isSet = (key: string) => {
    const value = at(root, ['jobs', name, key]);
    return Array.isArray(value) && value.length > 0;
  };
  if (list.length === 0) add(path, 'is empty, so nothing starts this job', 'remove the key, or name some');
  if (list.includes('vote') && !isSet('votes'))
    add(path, 'names vote, but no vote is described', 'add votes: [{label: Verified, value: 1, by: zuul}]');
  for (const [key, kind] of [['votes', 'vote'] as const, ['comments', 'recheck'] as const]) {
    if (isSet(key) && !list.includes(kind))
      add(['jobs', name, key], `starts nothing, because triggers does not name ${kind}`, `add ${kind} to it`);
  }
}

function checkVotes(root: unknown, name: string, add: ReportProblem): void {
  const votes = at(root, ['jobs', name, 'votes']);
  if (!Array.isArray(votes)) return;
  for (const [index, one] of votes.entries()) {
    if (!isMapping(one) || (one.value === undefined) !== (one.min === undefined)) continue;
    const next = 'value: 1 means exactly 1, min: 1 means 1 or more';
    add(['jobs', name, 'votes', index], 'must have either value or min', next);
  }
}

/** Jobs of one patchset share one review, so they must wait for the same vote. */
function checkRequiredVotes(root: unknown, names: readonly string[], add: ReportProblem): void {
  const common = at(root, ['triggers', 'requireVote']) ?? 'none';
  const required = names.map((name) => ({ name, vote: at(root, ['jobs', name, 'requireVote']) ?? common }));
  for (const [index, one] of required.entries()) {
    const other = required
      .slice(0, index)
      .find(({ name, vote: otherVote }) => otherVote !== one.vote && canStartTogether(root, name, one.name));
    if (other === undefined) continue;
    const next =
      'both jobs share one review and start together: give both the same, or different projects or branches';
    add(['jobs', one.name, 'requireVote'], `differs from that of ${other.name}, for the same changes`, next);
  }
}

/** Triggers that start a job without a request. */
const AUTOMATIC_TRIGGERS = ['patchset', 'restored', 'ready'];

/** True when one new patchset can start both. */
function canStartTogether(root: unknown, one: string, other: string): boolean {
  const onlyOnRequest = (name: string) => {
    const list = at(root, ['jobs', name, 'triggers']);
    return Array.isArray(list) && !AUTOMATIC_TRIGGERS.some((kind) => list.includes(kind));
  };
  if (onlyOnRequest(one) || onlyOnRequest(other)) return false;
  const globs = (name: string, key: string, fallback: readonly string[]) => {
    const value = at(root, ['jobs', name, key]) ?? fallback;
    return (Array.isArray(value) ? value : [value]).filter((glob) => typeof glob === 'string');
  };
  return [['project', []] as const, ['branches', ['*']] as const].every(([key, fallback]) =>
    globs(one, key, fallback).some((a) => globs(other, key, fallback).some((b) => overlap(a, b))),
  );
}
