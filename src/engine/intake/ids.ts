/**
 * Ids that sort by the time they were made: 9 characters of milliseconds, 7 of chance, in an alphabet without letters
 * that are taken for others. Sortable keys keep the indexes flat, however long the log grows.
 */

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

export type NewId = (kind: 'j' | 'r', now: number) => string;

/** @param random whole numbers below 32, from a good source */
export function idMaker(random: () => number): NewId {
  return (kind, now) => {
    let time = '';
    for (let rest = now, index = 0; index < 9; index += 1, rest = Math.floor(rest / 32)) {
      time = (ALPHABET[rest % 32] ?? '0') + time;
    }
    let chance = '';
    for (let index = 0; index < 7; index += 1) chance += ALPHABET[random() % 32] ?? '0';
    return `${kind}${time}${chance}`;
  };
}
