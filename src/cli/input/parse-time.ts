/** A moment as people type it: how long ago (`2h`, `3d`), or when (`2026-11-22`, `2026-11-22T17:00Z`), UTC unless said otherwise. */
import { parseDuration } from '../../config/fields/units.ts';

const DATE = /^\d{4}-\d\d-\d\d$/;
const TIME = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?)(Z|[+-]\d\d:\d\d)?$/;

/** Epoch ms; null for what is neither, and for what lies in the future. */
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
