/**
 * The text of a comment. If a template gives an unsafe text for these facts, the built-in text is used, and an alarm
 * reports why. How parsers read a template is checked when the configuration is loaded.
 */

import { byteLength } from './byte-length.ts';
import { type CommentFacts, commentParts, renderComment } from './comment.ts';
import { type Meaning, unsafeText } from './safe-text.ts';
import { fillTemplate } from './template.ts';

export interface Composed {
  readonly message: string;
  /** Why the template was not used; empty: it was used, or there is none. */
  readonly complaints: readonly string[];
}

export function composeComment(facts: CommentFacts, template: string | null): Composed {
  if (template === null) return { message: renderComment(facts), complaints: [] };
  const { message, meaning } = filledTemplate(facts, template);
  const complaints = unsafeText(message, meaning);
  return complaints.length === 0 ? { message, complaints } : { message: renderComment(facts), complaints };
}

/** The template filled with a comment's parts, and its intended content. */
export function filledTemplate(
  facts: CommentFacts,
  template: string,
): { readonly message: string; readonly meaning: Meaning } {
  const limitBytes = facts.spec.messageLimitBytes;
  const empty = { ...commentParts(facts, 0), jobs: [], details: [] };
  const parts = commentParts(facts, limitBytes - byteLength(fillTemplate(template, empty, facts)));
  return { message: fillTemplate(template, parts, facts), meaning: { ...parts.meaning, limitBytes } };
}
