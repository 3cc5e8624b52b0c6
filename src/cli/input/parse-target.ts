/** Parses what a command names: a change, one patchset of it, or a job by the first characters of its id. */
import type { Target } from '../../engine/ports/operator-api.ts';
import type { StoreReader } from '../../engine/ports/store.ts';
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';
import { findJob } from './resolve-id.ts';

export interface ChangeRef {
  readonly change: number;
  readonly patchset: number | null;
}

/** `912345` or `912345,3`. @throws CliError */
export function parseChange(text: string): ChangeRef {
  const found = tryParseChange(text);
  if (found !== null) return found;
  throw new CliError(
    EXIT.usage,
    `${plainText(JSON.stringify(text))} is not a change`,
    'write its number, or number and patchset: 912345 or 912345,3',
  );
}

/** @throws CliError when no job or several jobs match */
export function parseTarget(text: string, reader: StoreReader): Target {
  return tryParseChange(text) ?? { job: findJob(reader, text).id };
}

/** Null: the text is not a change. */
export function tryParseChange(text: string): ChangeRef | null {
  const match = /^(\d{1,9})(?:,(\d{1,6}))?$/.exec(text);
  const change = Number(match?.[1]);
  const patchset = match?.[2] === undefined ? null : Number(match[2]);
  return match !== null && change > 0 && patchset !== 0 ? { change, patchset } : null;
}
