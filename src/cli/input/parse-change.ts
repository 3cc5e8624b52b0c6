/** Parses a change, or one patchset of it, as people type or paste it. */
import { plainText } from '../../terminal-text.ts';
import { CliError, EXIT } from '../output/exit-codes.ts';

export interface ChangeRef {
  readonly change: number;
  readonly patchset: number | null;
}

const NUMBERS = /^(\d{1,9})(?:,(\d{1,6}))?$/;
/** `https://review.example/c/acme/disk/+/912345/3`; also the older `/#/c/912345/3`, and `/912345`. */
const URL_PATH = /^https?:\/\/[^/]+\/(?:c\/.+\/\+\/|#\/c\/|c\/)?(\d{1,9})(?:\/(\d{1,6}))?\/?$/;

/** `912345`, `912345,3`, or the change's address in Gerrit. @throws CliError */
export function parseChange(text: string): ChangeRef {
  const found = tryParseChange(text);
  if (found !== null) return found;
  throw new CliError(
    EXIT.usage,
    `${plainText(JSON.stringify(text))} is not a change`,
    'write its number, number and patchset, or its address in Gerrit: 912345 or 912345,3',
  );
}

/** Null: the text is not a change. */
export function tryParseChange(text: string): ChangeRef | null {
  const match = NUMBERS.exec(text) ?? URL_PATH.exec(text);
  const change = Number(match?.[1]);
  const patchset = match?.[2] === undefined ? null : Number(match[2]);
  return match !== null && change > 0 && patchset !== 0 ? { change, patchset } : null;
}
