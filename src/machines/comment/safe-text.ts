/** Checks before each post that a comment is safe, whatever the template and its values contain. */

import { byteLength } from './byte-length.ts';
import type { ShownJob } from './parsers/parsed-comment.ts';
import { holdsCommand } from './sanitize.ts';

/** The intended content of a comment. */
export interface Meaning {
  readonly status: 'succeeded' | 'failed';
  readonly pipeline: string;
  readonly jobs: readonly ShownJob[];
  /** The line that identifies our own message. */
  readonly mark: string;
  readonly limitBytes: number;
}

/** One line for each problem; empty: the text may be posted. */
export function unsafeText(text: string, meaning: Meaning): readonly string[] {
  const lines = text.split('\n');
  const listed = lines.filter((line) => /^\s*[-*]\s/.test(line)).length;
  const size = byteLength(text);
  return [
    ...(size > meaning.limitBytes ? [`it has ${size} bytes, more than ${meaning.limitBytes}`] : []),
    ...(lines.includes(meaning.mark) ? [] : [`the line "${meaning.mark}" is missing`]),
    ...(holdsCommand(text) ? ['it contains text that starts other CIs'] : []),
    ...(/[^\P{C}\n]/u.test(text) ? ['it holds control characters'] : []),
    ...(listed > meaning.jobs.length ? ['a line that is not a job begins with a dash or a star'] : []),
  ];
}
