/**
 * The text of the message that announces the start of the tests. No parser reads it as a result, and its mark differs
 * from the result's mark: otherwise the search for the result's message would find this one, and the result would not
 * be posted.
 */
import { harmlessLine, harmlessName } from './sanitize.ts';

export interface StartFacts {
  readonly review: string;
  readonly pipeline: string;
  /** Job names. */
  readonly jobs: readonly string[];
}

/** Maximum number of named jobs. */
const NAMES_SHOWN = 10;

/** The mark of the message. It must not contain the review's id, because the result is searched by that id. */
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
