/** The part of `sos-ci.yaml` that defines one job: where it applies, what it runs, and its limits. */
import { z } from 'zod';
import { command, duration, flag, integer, optionalText, size, texts } from '../fields/fields.ts';
import { treePath } from '../fields/validators.ts';
import { jobConcurrency } from './queue.ts';
import { jobTriggers } from './triggers.ts';

const stage = {
  command: command({
    about: 'program and arguments, started in the work tree; no shell reads it, exit code 0 is success',
  }),
  timeout: duration({
    default: '2h',
    min: '1s',
    about: 'the whole process group and its children are ended after this',
  }),
  outputLimit: size({
    default: '64MB',
    min: '1KB',
    about: 'output past this is dropped, and the log says so',
  }),
};

const stacking = z.strictObject(stage);
const testing = z.strictObject({
  ...stage,
  results: optionalText({
    kind: 'path in the work tree',
    check: treePath,
    about: 'TAP file that decides SUCCESS or FAILURE',
  }),
  exitCodeIsResult: flag({
    default: false,
    about: 'true: an exit code other than 0 is FAILURE even without readable results',
  }),
});

export const jobLimits = z.strictObject({
  setupAttempts: integer({
    default: 2,
    min: 1,
    max: 100,
    about: 'attempts at boot, fetch and stack together. Tests are never repeated',
  }),
  setupRetry: duration({ default: '30s', about: 'before setup is tried again; doubles' }),
  queueTimeout: duration({ default: '24h', about: 'for waiting for a slot' }),
  bootTimeout: duration({ default: '15m', about: 'for making the server' }),
  fetchTimeout: duration({ default: '10m', about: 'for fetching the patchset' }),
  stageGrace: duration({
    default: '30s',
    about: "past a stage's own deadline until the daemon stops it itself",
  }),
  stopTimeout: duration({ default: '30s', about: 'for stopping a stage' }),
  resultsTimeout: duration({ default: '1m', about: 'for reading the results file' }),
  collectTimeout: duration({ default: '10m', about: 'for collecting evidence' }),
  publishTimeout: duration({ default: '10m', about: 'for publishing evidence' }),
  publishAttempts: integer({ default: 5, min: 1, max: 1000, about: 'attempts to collect evidence' }),
  publishRetry: duration({
    default: '10s',
    about: 'before collecting or publishing is tried again; doubles, up to 15m',
  }),
  publishAge: duration({
    default: '3d',
    about: 'for which evidence that could not be published at once is kept and tried again',
  }),
  reportTimeout: duration({ default: '1h', about: 'for handing the verdict to the review' }),
  cleanupTimeout: duration({ default: '5m', about: 'for one attempt to delete the server' }),
  cleanupAttempts: integer({
    default: 10,
    min: 1,
    max: 10_000,
    about: 'attempts to delete the server until an alarm is raised',
  }),
  cleanupRetry: duration({ default: '10s', about: 'before deleting is tried again; doubles' }),
  evidence: size({ default: '1GB', about: 'evidence collected for each job' }),
  evidenceFiles: integer({
    default: 20_000,
    min: 1,
    max: 1_000_000,
    about: 'files of evidence collected for each job',
  }),
});

export const job = z.strictObject({
  ...jobTriggers,
  provider: optionalText({
    about: 'the provider that makes its server; may be left out when there is only one',
  }),
  concurrency: jobConcurrency,
  voting: flag({
    default: true,
    about: 'false: marked as non-voting in the comment, never decides the vote',
  }),
  stacking: stacking.optional(),
  testing,
  logs: texts({
    kind: 'list of paths in the work tree',
    default: '[]',
    fallback: [],
    check: treePath,
    about:
      'files and folders that belong to the evidence; the output of the stages and the results file always do',
  }),
  limits: jobLimits.prefault({}),
});

export type JobFile = z.output<typeof job>;
export type StageFile = z.output<typeof stacking>;
