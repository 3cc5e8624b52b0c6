/**
 * The words of the message that tests begin. No reader takes it for a result, and its mark is none of the result's: else
 * whoever looks for the result would find this and not post it.
 */
import { harmlessLine, harmlessName } from './sanitize.ts';

export interface StartFacts {
  readonly review: string;
  readonly pipeline: string;
  /** Names of the jobs. */
  readonly jobs: readonly string[];
}

/** Jobs that are named. */
const NAMES_SHOWN = 10;

/** What the message is known by again. It must not hold the review's own id, by which the result is looked for. */
export function startRun(review: string): string {
  return `start-${review.slice(1)}`;
}

export function startComment({ review, pipeline, jobs }: StartFacts): string {
  const rest = jobs.length - NAMES_SHOWN;
  const more = rest > 0 ? ` and ${rest} more` : '';
  const names = jobs.slice(0, NAMES_SHOWN).map(harmlessName).join(', ');
  const line = harmlessLine(`Starting ${harmlessName(pipeline)} jobs: ${names}${more}.`);
  return `${line}\n\nsos-ci ${startRun(review)}`;
}
