/**
 * The scoreboard ciwatch. It searches for results anywhere in a line, knows only a few verdicts, keeps one result for
 * each job, and takes the pipeline from the third line, so a shorter message breaks it.
 */

import type { GerritMessage, Reading, ShownJob } from './parsed-comment.ts';
import { linesOf } from './python-lines.ts';

const ACCOUNT = /CI|Jenkins|Bot/;
const PIPELINE = /\((.*)\spipeline\)/;
const JOB = /[-*]\s+([^\s*]+)\s+(http[^\s*]+) : (SUCCESS|FAILURE|NOT_REGISTERED|UNSTABLE)/;
const PIPELINE_LINE = 2;

export function readCiwatch({ author, text }: GerritMessage): Reading | null {
  const lines = linesOf(text);
  const third = lines[PIPELINE_LINE];
  if (!ACCOUNT.test(author) || third === undefined) return null;
  const jobs = new Map<string, ShownJob>();
  for (const line of lines) {
    const [, name, link, verdict] = JOB.exec(line) ?? [];
    if (name !== undefined && link !== undefined && verdict !== undefined)
      jobs.set(name, { name, verdict, link });
  }
  return { status: null, pipeline: PIPELINE.exec(third)?.[1] ?? null, jobs: [...jobs.values()] };
}
