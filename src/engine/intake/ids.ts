/**
 * Ids that sort by creation time: 9 characters of milliseconds, then 7 random ones, in an alphabet without ambiguous
 * letters. New keys go to the end of an index, so inserts stay cheap however long the log grows.
 */

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** `j`: a job, `r`: a review, `h`: a hold, `c`: a cleaning. */
export type NewId = (kind: 'j' | 'r' | 'h' | 'c', now: number) => string;

/** @param random integers below 32, cryptographically secure */
export function idMaker(random: () => number): NewId {
  return (kind, now) => {
    let time = '';
    for (let rest = now, index = 0; index < 9; index += 1, rest = Math.floor(rest / 32)) {
      time = (ALPHABET[rest % 32] ?? '0') + time;
    }
    let suffix = '';
    for (let index = 0; index < 7; index += 1) suffix += ALPHABET[random() % 32] ?? '0';
    return `${kind}${time}${suffix}`;
  };
}
