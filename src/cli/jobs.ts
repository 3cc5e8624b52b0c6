/** `sos-ci jobs`: the queue, newest first. */
import type { JobView, StoreReader } from '../engine/store.ts';
import { topState } from './episodes.ts';
import { EXIT } from './exit.ts';
import { shortId } from './find.ts';
import { type Io, printJson } from './io.ts';
import { jobJson, verdictPaint } from './job.ts';
import { type Column, printTable } from './layout.ts';
import { span, utc } from './time.ts';

export interface JobsOptions {
  readonly open?: boolean;
  readonly change?: number;
  readonly limit: number;
  readonly json?: boolean;
}

export function jobsCommand(io: Io, reader: StoreReader, options: JobsOptions): number {
  const jobs = reader.jobs({
    limit: options.limit,
    ...(options.open ? { open: true } : {}),
    ...(options.change === undefined ? {} : { change: options.change }),
  });
  if (options.json) {
    printJson(io, { jobs: jobs.map(jobJson) });
    return EXIT.ok;
  }
  if (jobs.length === 0) {
    io.out(options.open ? 'no open jobs\n' : 'no jobs\n');
    return EXIT.ok;
  }
  printJobs(io, jobs);
  if (jobs.length === options.limit) io.err(`the newest ${options.limit} are shown; more with --limit N\n`);
  return EXIT.ok;
}

export function printJobs(io: Io, jobs: readonly JobView[]): void {
  const now = io.now();
  const columns: readonly Column<JobView>[] = [
    { title: 'ID', text: (job) => shortId(job.id) },
    { title: 'CHANGE', text: (job) => `${job.change},${job.patchset}`, right: true },
    { title: 'JOB', text: (job) => job.name },
    { title: 'STATE', text: stateText, paint: (job) => verdictPaint(job.verdict) },
    { title: 'ACCEPTED (UTC)', text: (job) => utc(job.acceptedAt).slice(0, -4) },
    { title: 'TOOK', text: (job) => span((job.endedAt ?? now) - job.acceptedAt), right: true },
    { title: 'SUBJECT', text: (job) => job.subject },
  ];
  printTable(io, columns, jobs);
}

/** An open job shows where it is, and its verdict once it has one. */
function stateText(job: JobView): string {
  const attempt = job.attempt > 1 && !job.ended ? ` #${job.attempt}` : '';
  if (job.ended) return job.state === 'stuck' ? 'stuck' : (job.verdict ?? job.state);
  const state = topState(job.state);
  return job.verdict === null ? `${state}${attempt}` : `${state} ${job.verdict}`;
}
