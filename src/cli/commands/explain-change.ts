/** Shows what a new patchset, or a comment that requests a run, would start on a change in its current state. */
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fetchChange } from '../../app/explain-trigger.ts';
import type { Config } from '../../config/config.ts';
import { triggerRules } from '../../config/sections/triggers.ts';
import type { IgnoredRequest, StoreReader } from '../../engine/ports/store.ts';
import { type DryRunResult, dryRun, type JobDryRun } from '../../machines/dry-run.ts';
import type { CurrentChange } from '../../machines/model/gerrit-event.ts';
import { nameOf } from '../../machines/trigger/rules/account.ts';
import { LIMIT_WINDOW_MS } from '../../machines/trigger/rules/rate-limit.ts';
import { voteText } from '../../machines/trigger/rules/vote.ts';
import type { TriggerFacts } from '../../machines/trigger/trigger-facts.ts';
import { plainText } from '../../terminal-text.ts';
import { databaseIn } from '../input/open-store.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { type Column, printTable } from '../output/table.ts';
import { type Io, paint, printJson } from '../output/terminal.ts';
import { iso, utc } from '../output/time.ts';
import { requiredVoteText } from './explain-events.ts';

/** What our own log knows about the change; empty without a database. */
export interface LocalState
  extends Pick<TriggerFacts, 'open' | 'waiting' | 'waitingChanges' | 'openJobs' | 'starts'> {
  /** Ignored requests for a run, newest first. */
  readonly ignored: readonly IgnoredRequest[];
}

export const EMPTY_LOCAL_STATE: LocalState = {
  open: [],
  waiting: null,
  waitingChanges: 0,
  openJobs: 0,
  starts: () => [],
  ignored: [],
};

export async function explainChange(
  io: Io,
  config: Config,
  number: number,
  options: { readonly json?: boolean; readonly state?: string },
): Promise<number> {
  const change = await fetchChange(config, number);
  if (change === null) {
    const hint = 'check the number, and whether our account may read the change';
    throw new CliError(EXIT.refused, `${config.gerrit.host} does not show change ${number}`, hint);
  }
  const file = databaseIn(options.state === undefined ? config.stateDir : resolve(options.state));
  return withLocalState(file, change, (local) =>
    printDryRun(io, config, change, local, options.json ?? false),
  );
}

/** Exit code 0 when a job would start. */
export function printDryRun(
  io: Io,
  config: Config,
  change: CurrentChange,
  local: LocalState,
  json: boolean,
): number {
  const files = new Map(config.jobs.map(({ spec }) => [spec.name, spec.files]));
  const { ignored, ...facts } = local;
  const dryRuns = dryRun(change, {
    rules: triggerRules(config),
    files,
    facts: { ...facts, now: io.now(), queueLength: config.limits.maxOpenJobs },
  });
  if (json) {
    printJson(io, {
      change: changeJson(change),
      dryRuns,
      waiting: waitingJson(local),
      ignored: ignored.map(ignoredJson),
    });
  } else {
    printChange(io, change, local);
    for (const outlook of dryRuns) printOutlook(io, outlook);
  }
  return dryRuns.some(({ starts }) => starts) ? EXIT.ok : EXIT.negative;
}

async function withLocalState<T>(
  file: string,
  change: CurrentChange,
  use: (local: LocalState) => T,
): Promise<T> {
  if (!existsSync(file)) return use(EMPTY_LOCAL_STATE);
  const { openReader } = await import('../../adapters/sqlite/reader.ts');
  const reader = openReader(file);
  try {
    return use(readLocalState(reader, change));
  } finally {
    reader.close();
  }
}

const REVIEWS_LIMIT = 100;
const JOBS_LIMIT = 10_000;
/** Ignored requests that are shown. */
const IGNORED_SHOWN = 5;

export function readLocalState(
  reader: StoreReader,
  { patchset: { project, change } }: CurrentChange,
): LocalState {
  const reviews = reader.reviews({ open: true, change, limit: REVIEWS_LIMIT });
  const jobs = reader.jobs({ open: true, limit: JOBS_LIMIT });
  const waiting = reader.waitingStarts();
  const isOfChange = (other: { readonly project: string; readonly change: number }) =>
    other.project === project && other.change === change;
  return {
    open: reviews.filter(isOfChange).map(({ id, patchset, branch, jobsPending }) => {
      const ownJobs = jobs.filter(({ review }) => review === id);
      const unreported = ownJobs.filter((job) => jobsPending && !job.cleaningUp);
      return {
        id,
        patchset,
        branch,
        jobs: unreported.map(({ name }) => name),
        begun: ownJobs.some((job) => !job.queued),
      };
    }),
    waiting: waiting.find(({ start }) => isOfChange(start.patchset)) ?? null,
    waitingChanges: waiting.length,
    openJobs: jobs.length,
    starts: (until) => reader.starts({ since: until - LIMIT_WINDOW_MS, until }),
    ignored: reader.ignoredRequests(change, IGNORED_SHOWN).filter(isOfChange),
  };
}

function printChange(io: Io, change: CurrentChange, { waiting, ignored }: LocalState): void {
  const { patchset, status, kind, uploader, author, hashtags, files, votes } = change;
  const line = (title: string, text: string): void => {
    if (text !== '') io.out(`${paint(io, 'dim', title.padEnd(9))} ${plainText(text)}\n`);
  };
  const flags = [status, ...(change.wip ? ['work in progress'] : []), ...(change.private ? ['private'] : [])];
  line('change', `${patchset.change},${patchset.patchset}  ${patchset.project}  ${patchset.branch}`);
  line('subject', patchset.subject);
  line('state', [...flags, ...(kind === '' ? [] : [kind])].join(', '));
  line('uploader', nameOf(uploader));
  line('author', nameOf(author));
  line('topic', patchset.topic);
  line('hashtags', hashtags.join(', '));
  line('files', files === null ? 'unknown: too many, or a merge commit' : String(files.length));
  if (waiting !== null) {
    const { start, since, rule, why } = waiting;
    const what = `patchset ${start.patchset.patchset} (${start.jobs.join(', ')})`;
    line('waits', `${what} since ${utc(since)} (${rule}: ${why})`);
  }
  for (const { patchset: number, by, at, rule, why } of ignored) {
    line('ignored', `${utc(at)} patchset ${number}, by ${by} (${rule}: ${why})`);
  }
  line('votes', votes.map((vote) => `${vote.account || 'unknown'} ${voteText(vote)}`).join(', '));
}

function printOutlook(io: Io, outlook: DryRunResult): void {
  const title = outlook.comment === null ? 'A new patchset' : `A comment "${outlook.comment}"`;
  const wait = outlook.requiredVote === null ? '' : `, ${requiredVoteText(outlook.requiredVote)}`;
  const answer = outlook.starts
    ? `${paint(io, 'green', 'would start')}${wait}`
    : `would start nothing (${outlook.rule}: ${plainText(outlook.why)})`;
  io.out(`\n${paint(io, 'bold', title)} ${answer}\n`);
  const columns: readonly Column<JobDryRun>[] = [
    { title: 'JOB', text: ({ job }) => job },
    {
      title: 'STARTS',
      text: ({ starts }) => (starts ? 'yes' : 'no'),
      paint: ({ starts }) => (starts ? 'green' : null),
    },
    { title: 'RULE', text: ({ rule }) => rule },
    { title: 'WHY', text: ({ why }) => why },
  ];
  if (outlook.jobs.length > 0) printTable(io, columns, outlook.jobs);
}

function waitingJson({ waiting }: LocalState): object | null {
  if (waiting === null) return null;
  const { start, rule, why, since } = waiting;
  return { patchset: start.patchset.patchset, jobs: start.jobs, since: iso(since), rule, why };
}

function ignoredJson({ patchset, by, at, rule, why }: IgnoredRequest): object {
  return { at: iso(at), patchset, by, rule, why };
}

function changeJson({ patchset, ...rest }: CurrentChange): object {
  return { ...patchset, ...rest };
}
