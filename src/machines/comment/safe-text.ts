/** What a comment must never hold, checked before each post whatever a template and the facts put into it. */

import { byteLength } from './byte-length.ts';
import type { ShownJob } from './parsers/parsed-comment.ts';
import { holdsCommand } from './sanitize.ts';

/** What a comment is to say. */
export interface Meaning {
  readonly status: 'succeeded' | 'failed';
  readonly pipeline: string;
  readonly jobs: readonly ShownJob[];
  /** The line by which our own message is known again. */
  readonly mark: string;
  readonly limitBytes: number;
}

/** One line for each thing that is wrong; empty: the text may be posted. */
export function unsafeText(text: string, meaning: Meaning): readonly string[] {
  const lines = text.split('\n');
  const listed = lines.filter((line) => /^\s*[-*]\s/.test(line)).length;
  const size = byteLength(text);
  return [
    ...(size > meaning.limitBytes ? [`it has ${size} bytes, more than ${meaning.limitBytes}`] : []),
    ...(lines.includes(meaning.mark) ? [] : [`the line "${meaning.mark}" is missing`]),
    ...(holdsCommand(text) ? ['it holds words that start other CIs'] : []),
    ...(/[^\P{C}\n]/u.test(text) ? ['it holds control characters'] : []),
    ...(listed > meaning.jobs.length ? ['a line that is not a job begins with a dash or a star'] : []),
  ];
}
