/**
 * The text of a comment, proofread. A template that one of the readers would misread on these facts gives way to the
 * built-in text, and the operator is told why: a comment that nobody can read is worse than a plain one.
 */

import { byteLength } from './byte-length.ts';
import { misreadings } from './check-parsers.ts';
import { type CommentFacts, commentParts, renderComment } from './comment.ts';
import { fillTemplate } from './template.ts';

export interface Composed {
  readonly message: string;
  /** Why the template was not used; empty: it was, or there is none. */
  readonly complaints: readonly string[];
}

export function composeComment(facts: CommentFacts, template: string | null): Composed {
  if (template === null) return { message: renderComment(facts), complaints: [] };
  const limitBytes = facts.spec.messageLimitBytes;
  const empty = { ...commentParts(facts, 0), jobs: [], details: [] };
  const parts = commentParts(facts, limitBytes - byteLength(fillTemplate(template, empty, facts)));
  const message = fillTemplate(template, parts, facts);
  const complaints = misreadings(message, { ...parts.meaning, limitBytes });
  return complaints.length === 0 ? { message, complaints } : { message: renderComment(facts), complaints };
}
