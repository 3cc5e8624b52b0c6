/** Times of the past as people write them on the command line. */
import { parseDuration } from '../../config/fields/units.ts';

const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?$/;

/**
 * Parses a past time: an age (`2h`, `3d`) or a date (`2026-11-22`, `2026-11-22T17:00Z`), UTC by default. Epoch ms; null
 * when it is neither, or in the future.
 */
export function parseTime(text: string, now: number): number | null {
  const ago = parseDuration(text);
  const at = ago === null ? parseDate(text) : now - ago;
  return Number.isNaN(at) || at > now || at < 0 ? null : at;
}

function parseDate(text: string): number {
  if (DATE.test(text)) return Date.parse(`${text}T00:00:00Z`);
  const [, date, time, zone = 'Z'] = TIME.exec(text) ?? [];
  return date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone}`);
}
